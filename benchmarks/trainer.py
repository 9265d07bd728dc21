"""Measure the trainer: what chunks and logging cost it, how soon it trains, what memory it needs.

    python benchmarks/trainer.py --quick
    python benchmarks/trainer.py --purejaxrl PATH/TO/purejaxrl/ppo.py

What is compared alternates in one process. PureJaxRL's program is not part of this repository: give its published
`ppo.py` by path, as it is.
"""

import argparse
import dataclasses
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import lines
from blocks import Switched
from lines import Line, against, shown

from hackmatrix.purejaxrl import Runner, TrainConfig, init_runner, make_environment, make_train_chunk, train
from hackmatrix.purejaxrl.runner import make_parts
from hackmatrix.purejaxrl.update import update
from hackmatrix.tracking import open_tracker

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_purejaxrl.py"
CARTPOLE = "gymnax:CartPole-v1"
UPDATES = 20  # of one round: two chunks


class Logged:
    """Chunks of the trainer with a journal, as the script runs them, without checkpoints."""

    def __init__(self, config: TrainConfig, root: Path) -> None:
        self._config, self._env = config, make_environment(config.env)
        self._program = make_train_chunk(config, self._env)
        self._runner: Runner | None = init_runner(config, self._env)
        self._tracker = Switched(open_tracker("null"))
        self._journal = open_tracker("jsonl", root=root, prefix="trainer")
        self._tracker.to = self._journal

    def __call__(self) -> None:
        """Train for one round."""
        dispatched = iter(range(UPDATES // self._config.log_interval))  # asked before each chunk
        result = train(
            self._config, [self._tracker], env=self._env, start=self._runner, chunk=self._program,
            stop=lambda: next(dispatched, None) is None,
        )  # fmt: skip
        self._runner = jax.block_until_ready(result.runner)

    def finish(self) -> None:
        """End the journal."""
        self._journal.finish()


class OneScan:
    """The same updates in one compiled scan; their figures are thrown away."""

    def __init__(self, config: TrainConfig) -> None:
        env = make_environment(config.env)
        parts = make_parts(config, env)
        self._runner = init_runner(config, env)

        def all_updates(runner: Runner) -> tuple[Runner, Any]:
            return jax.lax.scan(lambda runner, _: update(parts, runner), runner, None, length=UPDATES)

        self._program = jax.jit(all_updates, donate_argnums=0)

    def __call__(self) -> None:
        """Train for one round."""
        self._runner, _ = jax.block_until_ready(self._program(self._runner))


def alternating(
    ours: Callable[[], None], theirs: Callable[[], None], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of wall and of processor time of each round, the order by lot; the first round is left out."""
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in ("ours", "theirs")}
    for number in range(rounds + 1):
        order = [("ours", ours), ("theirs", theirs)]
        random.Random(number).shuffle(order)
        for name, run in order:
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if number:
                found[name]["wall"].append(time.perf_counter() - wall)
                found[name]["cpu"].append(time.process_time() - cpu)
    return found


def ratios(found: dict[str, dict[str, list[float]]], of: str) -> list[float]:
    """How many times faster ours is, by rounds."""
    return [theirs / ours for ours, theirs in zip(found["ours"][of], found["theirs"][of], strict=True)]


def large(**changes: Any) -> TrainConfig:
    """256 x 128, and more updates than will be run."""
    config = TrainConfig(env=CARTPOLE, **changes)
    return dataclasses.replace(config, total_timesteps=config.batch_size * 1_000_000)


def chunk_lines(rounds: int, root: Path) -> Iterator[Line]:
    """Chunked and logged against one scan without logging."""
    config = large()
    ours = Logged(config, root)
    found = alternating(ours, OneScan(config), rounds)
    ours.finish()
    for of, words in (("wall", "wall"), ("cpu", "processor time")):
        over = [100 * (1 / each - 1) for each in ratios(found, of)]
        each = lines.median_interval(over)
        yield Line(
            what=f"chunked and logged over one scan without logging, 256 x 128, 2 x 64, {words}",
            figure=shown(over, "%"),
            beside=f"{1e3 * min(found['theirs'][of]) / UPDATES:.0f} ms an update at best",
            target="center within 0.5%",
            met=True if abs(each.center) <= 0.5 else None if each.low <= 0.5 else False,
        )


def purejaxrl_lines(path: Path, rounds: int, root: Path) -> Iterator[Line]:
    """Against PureJaxRL's published program at equal settings, ours with logging on."""
    sys.path.insert(0, str(path.parent))  # it imports its neighbours
    spec = importlib.util.spec_from_file_location("purejaxrl_ppo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = large()
    theirs = {
        "LR": config.learning_rate, "NUM_ENVS": config.num_envs, "NUM_STEPS": config.num_steps,
        "TOTAL_TIMESTEPS": UPDATES * config.batch_size, "UPDATE_EPOCHS": config.update_epochs,
        "NUM_MINIBATCHES": config.num_minibatches, "GAMMA": config.gamma, "GAE_LAMBDA": config.gae_lambda,
        "CLIP_EPS": config.clip_eps, "ENT_COEF": config.ent_coef, "VF_COEF": config.vf_coef,
        "MAX_GRAD_NORM": config.max_grad_norm, "ACTIVATION": "tanh", "ENV_NAME": "CartPole-v1",
        "ANNEAL_LR": config.anneal_lr, "DEBUG": False,
    }  # fmt: skip
    program = jax.jit(module.make_train(theirs))
    ours = Logged(config, root)
    found = alternating(ours, lambda: jax.block_until_ready(program(jax.random.PRNGKey(0))), rounds)
    ours.finish()
    for of, words in (("wall", "wall"), ("cpu", "processor time")):
        yield against(
            f"PureJaxRL's `ppo.py` over ours with logging, CartPole-v1, 256 x 128, 2 x 64, {words}",
            ratios(found, of), 1.5, "x", better="more",
            beside=f"{1e3 * min(found['theirs'][of]) / UPDATES:.0f} ms an update at best",
        )  # fmt: skip


def start_lines(root: Path) -> Iterator[Line]:
    """From the command until the first chunk is trained, with an empty compile cache and with a full one."""
    environment = {**os.environ, "HOME": str(root), "XDG_CACHE_HOME": str(root / "cache")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [
        sys.executable, "-u", str(SCRIPT), "--env", CARTPOLE, "--total-timesteps", str(256 * 128 * 10),
        "--checkpoint-dir", str(root / "runs"),
    ]  # fmt: skip
    took, used = [], []
    for _ in range(4):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if "compiled in" in line:
                    took.append(time.perf_counter() - began)
                    used.append(processor_seconds(process.pid))
    yield Line(what="first start: from the command until it trains, 256 x 128", figure=f"{took[0]:.1f} s")
    yield against(
        "second start of the same config: from the command until it trains",
        took[1:], 5.0, "s", beside=f"processor time until then {shown(used[1:], 's')}",
    )  # fmt: skip


def processor_seconds(process: int) -> float:
    """What a living process has used so far."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def memory_lines(root: Path) -> Iterator[Line]:
    """The peak at 256 x 128, beside what the imports alone need."""
    run = [
        sys.executable, str(SCRIPT), "--env", CARTPOLE, "--total-timesteps", str(256 * 128 * 20),
        "--checkpoint-dir", str(root / "runs"),
    ]  # fmt: skip
    imports = [sys.executable, "-c", "import jax, flax, optax, gymnax, rich; jax.numpy.zeros(1) + 1"]
    peak, bare = peak_mb(run), peak_mb(imports)
    config = large()
    rollout = rollout_mb(config)
    yield Line(
        what="peak memory of the script at 256 x 128, CartPole-v1",
        figure=f"{peak:.0f} MB",
        beside=f"{bare:.0f} MB after the imports alone; a rollout is {rollout:.1f} MB",
    )


def rollout_mb(config: TrainConfig) -> float:
    """Observation, action, log probability, value, reward, two flags, advantage, target of every step."""
    words = 4 + 7
    return config.batch_size * (4 * words + 2) / 1e6


def peak_mb(command: list[str]) -> float:
    """The largest resident memory of a process that was seen."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines() if status.exists() else ():
                if line.startswith("VmHWM"):
                    peak = max(peak, int(line.split()[1]))
            time.sleep(0.05)
    return peak / 1024


def all_lines(*, quick: bool, purejaxrl: Path | None) -> Iterator[Line]:
    """Every line, one after the other."""
    rounds = 8 if quick else 24
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        parts: dict[str, Callable[[], Iterator[Line]]] = {
            "start": lambda: start_lines(root),
            "memory": lambda: memory_lines(root),
            "chunks": lambda: chunk_lines(rounds, root),
        }
        if purejaxrl is not None:
            parts["PureJaxRL"] = partial(purejaxrl_lines, purejaxrl, rounds, root)
        for part, measure in parts.items():
            print(f"  {part} ...", file=sys.stderr, flush=True)
            yield from measure()
    if purejaxrl is None:
        yield Line(
            what="PureJaxRL's `ppo.py` over ours", figure="not measured: `--purejaxrl PATH` was not given"
        )


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="lines for benchmarks/run.py")
    parser.add_argument("--purejaxrl", type=Path, metavar="PATH", help="its published ppo.py")
    options = parser.parse_args()
    found = list(all_lines(quick=options.quick, purejaxrl=options.purejaxrl))
    if options.json:
        lines.print_lines(found)
    else:
        print(lines.table(found))


if __name__ == "__main__":
    main()
