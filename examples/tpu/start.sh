#!/usr/bin/env bash
# The unit's command: go on from the newest checkpoint of this disk or the mirror, or begin.
set -euo pipefail
home=${HACKMATRIX_HOME:-/opt/hackmatrix}
python=${HACKMATRIX_PYTHON:-$home/.venv/bin/python}
mirror=${MIRROR:?give MIRROR=gs://BUCKET/runs in /etc/hackmatrix/environment}
read -ra flags <<<"${FLAGS:-}"

# exec: SIGTERM must reach the training itself, and its exit code must reach systemd.
exec "$python" -u "$home/scripts/train_purejaxrl.py" --resume-run auto --mirror "$mirror" "${flags[@]}"
