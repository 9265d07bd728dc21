#!/usr/bin/env bash
# Runs anywhere but on the TPU: asks for the spot TPU again whenever it was taken away.
# NAME, ZONE, TYPE, VERSION, REPOSITORY, MIRROR, FLAGS, WANDB_API_KEY: see docs/tpu.md.
set -euo pipefail
: "${NAME:?}" "${ZONE:?}" "${TYPE:?}" "${VERSION:?}" "${REPOSITORY:?}" "${MIRROR:?}"
here=$(cd "$(dirname "$0")" && pwd)
queue=(gcloud compute tpus queued-resources)
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

say() {
    echo "$(date -u +%H:%M:%S) $NAME: $*"
}

look() { # the state, NONE where there is no resource; fails where neither can be known
    "${queue[@]}" describe "$NAME" --zone "$ZONE" --format 'value(state.state)' 2>"$errors" && return
    if grep -q NOT_FOUND "$errors"; then
        echo NONE
    else
        cat "$errors" >&2
        return 1
    fi
}

create() {
    "${queue[@]}" create "$NAME" --node-id "$NAME" --zone "$ZONE" --spot \
        --accelerator-type "$TYPE" --runtime-version "$VERSION" \
        --metadata "^|^hackmatrix-repository=$REPOSITORY|hackmatrix-mirror=$MIRROR|hackmatrix-flags=${FLAGS:-}${WANDB_API_KEY:+|hackmatrix-wandb-key=$WANDB_API_KEY}" \
        --metadata-from-file "startup-script=$here/install.sh"
}

delete() {
    "${queue[@]}" delete "$NAME" --zone "$ZONE" --force --quiet
}

# Whatever fails is told and tried again at the next look: quota comes back, and so does the network.
while true; do
    if state=$(look); then
        say "$state"
        case $state in
            NONE) create || say "not created; tried again at the next look" ;;
            SUSPENDED | FAILED) delete || say "not deleted; tried again at the next look" ;;
        esac
    else
        say "state not known; asked again at the next look"
    fi
    sleep "${EVERY_S:-60}"
done
