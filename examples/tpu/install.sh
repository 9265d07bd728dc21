#!/usr/bin/env bash
# The VM's startup script: runs as root at each boot, installs once, starts the unit.
# Metadata of the VM: hackmatrix-repository (what git clone takes), hackmatrix-mirror, hackmatrix-flags, and, if rows go
# to Weights & Biases, hackmatrix-wandb-key.
set -euo pipefail
home=/opt/hackmatrix
export HOME=/root UV_PYTHON_INSTALL_DIR=/opt/python

metadata() {
    curl -sf -H 'Metadata-Flavor: Google' \
        "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}

if [ ! -d "$home/.venv" ]; then # what a boot that was cut short has begun is begun anew
    if [ ! -d "$home" ]; then
        rm -rf "$home.tmp"
        git clone -q --depth 1 "$(metadata hackmatrix-repository)" "$home.tmp"
        mv "$home.tmp" "$home"
    fi
    # Ubuntu 22.04, which TPU VMs run, has Python 3.10; uv fetches one where the machine's own is too old.
    python3 -m pip install -q --upgrade --target /opt/uv uv
    /opt/uv/bin/uv venv -q --clear --python '>=3.11' "$home/.venv.tmp"
    /opt/uv/bin/uv pip install -q --python "$home/.venv.tmp" "${home}[tpu,gcs,wandb]"
    mv "$home/.venv.tmp" "$home/.venv"
fi

umask 077 # the key is nobody else's
mkdir -p /etc/hackmatrix
{
    echo "MIRROR=$(metadata hackmatrix-mirror)"
    echo "FLAGS=$(metadata hackmatrix-flags)"
    if key=$(metadata hackmatrix-wandb-key); then echo "WANDB_API_KEY=$key"; fi
} >/etc/hackmatrix/environment
install -m 644 "$home/examples/tpu/hackmatrix.service" /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now hackmatrix.service
