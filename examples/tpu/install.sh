#!/usr/bin/env bash
# The VM's startup script: runs as root at each boot, installs once, starts the unit.
# Metadata of the VM: hackmatrix-repository (what git clone takes), hackmatrix-mirror, hackmatrix-flags.
set -euo pipefail
home=/opt/hackmatrix

metadata() {
    curl -sf -H 'Metadata-Flavor: Google' \
        "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}

if [ ! -d "$home/.venv" ]; then
    [ -d "$home" ] || git clone -q --depth 1 "$(metadata hackmatrix-repository)" "$home"
    apt-get install -y -q python3-venv
    python3 -m venv "$home/.venv.tmp"
    "$home/.venv.tmp/bin/pip" install -q "${home}[tpu,gcs,wandb]"
    mv "$home/.venv.tmp" "$home/.venv" # whole or not at all: a boot may be cut short
fi

mkdir -p /etc/hackmatrix
printf 'MIRROR=%s\nFLAGS=%s\n' "$(metadata hackmatrix-mirror)" "$(metadata hackmatrix-flags)" >/etc/hackmatrix/environment
chmod 600 /etc/hackmatrix/environment # a place for WANDB_API_KEY, too
install -m 644 "$home/examples/tpu/hackmatrix.service" /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now hackmatrix.service
