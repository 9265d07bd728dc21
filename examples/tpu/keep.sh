#!/usr/bin/env bash
# Runs anywhere but on the TPU: asks for the spot TPU again whenever it was taken away.
# NAME, ZONE, TYPE, VERSION, REPOSITORY, MIRROR, FLAGS, WANDB_API_KEY: see docs/tpu.md.
set -euo pipefail
: "${NAME:?}" "${ZONE:?}" "${TYPE:?}" "${VERSION:?}" "${REPOSITORY:?}" "${MIRROR:?}"
here=$(cd "$(dirname "$0")" && pwd)
queue=(gcloud compute tpus queued-resources)

create() {
    "${queue[@]}" create "$NAME" --node-id "$NAME" --zone "$ZONE" --spot \
        --accelerator-type "$TYPE" --runtime-version "$VERSION" \
        --metadata "^|^hackmatrix-repository=$REPOSITORY|hackmatrix-mirror=$MIRROR|hackmatrix-flags=${FLAGS:-}${WANDB_API_KEY:+|hackmatrix-wandb-key=$WANDB_API_KEY}" \
        --metadata-from-file "startup-script=$here/install.sh"
}

while true; do
    state=$("${queue[@]}" describe "$NAME" --zone "$ZONE" --format 'value(state.state)' 2>/dev/null || echo NONE)
    echo "$(date -u +%H:%M:%S) $NAME: $state"
    case $state in
        NONE) create ;;
        SUSPENDED | FAILED) "${queue[@]}" delete "$NAME" --zone "$ZONE" --force --quiet ;;
    esac
    sleep "${EVERY_S:-60}"
done
