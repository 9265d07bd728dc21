# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Train on Colab, and outlive the disconnect
#
# Run all cells. When Colab takes the machine away, open the notebook again and run all cells again: training goes on
# from the newest checkpoint, on an empty machine too. Elsewhere the cells that are Colab's do nothing.

# %% tags=["parameters"]
"""What to train, and where what is worth keeping is kept."""

import os
from pathlib import Path

IN_COLAB = "COLAB_RELEASE_TAG" in os.environ

KEEP_AT = (
    "drive"  # "drive": checkpoints on your Google Drive; "wandb": curves and checkpoints at Weights & Biases
)
ENTITY = ""  # your team or user name at Weights & Biases
REPOSITORY = ""  # what `git clone` takes, where this notebook is not inside a checkout
ROOT = Path("/content/hackmatrix") if IN_COLAB else Path("..").resolve()  # the checkout
DRIVE = Path("/content/drive")  # where Colab mounts yours
FLAGS = """
    --env gymnax:CartPole-v1 --num-envs 16 --learning-rate 1e-3 --ent-coef 0 --total-timesteps 1000000
    --save-interval 40
"""

# %% [markdown]
# ## Install
#
# Colab brings a JAX that fits its machine. It is pinned to what it is, so that no dependency replaces it.

# %%
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version


def installed(*packages):
    """Package -> version, of those that are there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


before = installed("jax", "jaxlib")
if IN_COLAB:
    if not ROOT.exists():
        assert REPOSITORY, "set REPOSITORY in the first cell: what git clone takes"
        subprocess.run(["git", "clone", "-q", "--depth", "1", REPOSITORY, ROOT], check=True)
    Path("constraints.txt").write_text("".join(f"{name}=={is_now}\n" for name, is_now in before.items()))
    command = [sys.executable, "-m", "pip", "install", "-q", "-c", "constraints.txt"]
    subprocess.run([*command, f"{ROOT}[train,wandb,mirror]"], check=True)
assert installed("jax", "jaxlib") == before or not before, "JAX was replaced"
print(installed("jax", "jaxlib", "hackmatrix"))

# %% [markdown]
# ## Where it is kept
#
# Drive asks for permission in a window. For Weights & Biases put your key into Colab's secrets (the key symbol on the
# left) under the name `WANDB_API_KEY`, and allow this notebook to read it.

# %%
if KEEP_AT == "drive":
    MIRROR = Path("mirror").resolve()
    if IN_COLAB:
        from google.colab import drive

        drive.mount(str(DRIVE))
        MIRROR = DRIVE / "MyDrive" / "hackmatrix-runs"
    kept_at = ["--mirror", str(MIRROR)]
else:
    if IN_COLAB:
        from google.colab import userdata

        os.environ["WANDB_API_KEY"] = userdata.get("WANDB_API_KEY")
    kept_at = ["--tracker", "wandb", *(["--entity", ENTITY] if ENTITY else [])]
print(*kept_at)

# %% [markdown]
# ## Train
#
# The script runs in a process of its own. *Interrupt* saves and stops; run the cell again to go on.

# %%
import signal


def train(*flags):
    """Run the script and show what it says; the exit code."""
    command = [sys.executable, "-u", str(ROOT / "scripts" / "train_purejaxrl.py"), *flags]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if "FORCE" not in name},  # plain lines, no bar
        start_new_session=True,  # so that an interrupt comes from here, and once
    )
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        print(process.stdout.read(), end="")
    return process.wait()


code = train("--resume-run", "auto", *FLAGS.split(), *kept_at)
print("exit code", code)
assert code in (0, 130), "training failed: see the lines above"

# %% [markdown]
# ## Look
#
# Exit code 0 means finished, 130 interrupted. Every update stands once, however often the machine was lost.

# %%
import matplotlib.pyplot as plt

from hackmatrix.tracking import read_run

# A run that is on this disk has all its rows here; in the mirror it has those up to its newest checkpoint.
places = [*([MIRROR] if KEEP_AT == "drive" else []), Path("runs")]
found = {path.parent.name: path.parent for place in places for path in place.glob("*/run.json")}
assert found, "it finished on a machine whose disk is gone; look at Weights & Biases"
run = read_run(max(found.values(), key=lambda folder: (folder / "run.json").stat().st_mtime))
columns = run.columns(["train/mean_episode_return"])
steps = columns["_step"]
assert steps == sorted(set(steps))
print(f"{run.name}: {run.status}, {len(steps)} rows, up to update {max(steps, default=0)}")
for number, attempt in enumerate(run.attempts):
    print(f"attempt {number}: {attempt['status']}")

figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(steps, columns["train/mean_episode_return"])
axes.set(xlabel="update", ylabel="mean episode return", title=run.name)
figure.tight_layout()
plt.show()
