"""Measure the trainer: beside other trainers, with and without chunks and logging, its start, its memory.

    python benchmarks/trainer.py --quick
    python benchmarks/trainer.py --purejaxrl PATH/TO/purejaxrl/ppo.py --sb3-python PATH/TO/python

What is compared alternates in one process, the order by lot in each round. PureJaxRL's program is not part of this
repository: give its published `ppo.py` by path, as it is. Without it `usual_ppo.py` stands in its place, PPO in the
usual form, written for this benchmark; rejax is measured too where it is installed. Stable-Baselines3 runs in the
interpreter that `--sb3-python` names, this one by default.
"""

import dataclasses
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import lines
import numpy as np
from blocks import Switched
from learning import learning_lines
from lines import Line, against, shown
from other_trainers import OtherTrainer, other_trainers
from processes import Neighbours, peak_mb, processor_seconds
from time_to_475 import time_lines

from hackmatrix.purejaxrl import Runner, TrainConfig, init_runner, make_environment, make_train_chunk, train
from hackmatrix.purejaxrl.runner import make_parts
from hackmatrix.purejaxrl.update import update
from hackmatrix.tracking import open_tracker

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_purejaxrl.py"
CARTPOLE, BREAKOUT = "gymnax:CartPole-v1", "gymnax:Breakout-MinAtar"
UPDATES = 20  # of one round: two chunks
WORDS = {"wall": "wall", "cpu": "processor time"}
Times = dict[str, dict[str, list[float]]]  # side -> wall or cpu -> seconds of each round


class Logged:
    """Chunks of the trainer with a journal, as the script runs them, without checkpoints."""

    def __init__(self, config: TrainConfig, root: Path, updates: int = UPDATES) -> None:
        self._config, self._env = config, make_environment(config.env)
        self._chunks = updates // config.log_interval
        self._program = make_train_chunk(config, self._env)
        self._runner: Runner | None = init_runner(config, self._env)
        self._tracker = Switched(open_tracker("null"))
        self._journal = open_tracker("jsonl", root=root, prefix="trainer")
        self._tracker.to = self._journal

    def __call__(self) -> None:
        """Train for one round."""
        dispatched = iter(range(self._chunks))  # asked before each chunk
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


def alternating(sides: Mapping[str, Callable[[], None]], rounds: int) -> Times:
    """Seconds of wall and of processor time of each round, the order by lot; the first round is left out."""
    found: Times = {name: {"wall": [], "cpu": []} for name in sides}
    for number in range(rounds + 1):
        order = list(sides.items())
        random.Random(number).shuffle(order)
        for name, run in order:
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if number:
                found[name]["wall"].append(time.perf_counter() - wall)
                found[name]["cpu"].append(time.process_time() - cpu)
    return found


def ratios(found: Times, other: str, of: str) -> list[float]:
    """How many times faster ours is, by rounds."""
    return [theirs / ours for ours, theirs in zip(found["ours"][of], found[other][of], strict=True)]


def large(**changes: Any) -> TrainConfig:
    """256 x 128, and more updates than will be run."""
    config = TrainConfig(**{"env": CARTPOLE, **changes})
    return dataclasses.replace(config, total_timesteps=config.batch_size * 1_000_000)


def chunk_lines(rounds: int, root: Path) -> Iterator[Line]:
    """Chunked and logged against one scan without logging.

    The median of the ratios of neighbouring rounds: what else the machine does falls on both of a pair. One round in
    a hundred may be disturbed as it likes. Half of the visits to the loop overlap with no chunk (in a run one in
    thirty does), so the figure is rather too high.
    """
    config = large()
    ours, neighbours = Logged(config, root), Neighbours()
    found = alternating({"ours": ours, "scan": OneScan(config)}, rounds)
    ours.finish()
    for of, words in WORDS.items():
        over = [100 * (1 / each - 1) for each in ratios(found, "scan", of)]
        each = lines.median_interval(over)
        decided = each.high - each.low <= 1.0 or each.low > 0.5
        yield Line(
            what=f"chunked and logged over one scan without logging, CartPole-v1, 256 x 128, 2 x 64, {words}",
            figure=shown(over, "%"),
            beside=f"{milliseconds(found['scan'][of], UPDATES)} an update without; {neighbours}",
            target="center within 0.5%",
            met=each.center <= 0.5 if decided else None,
        )


@dataclasses.dataclass(frozen=True)
class Setting:
    """One comparison with other trainers."""

    env: str
    hidden: int
    updates: int  # of a round: two chunks
    target: float  # times faster with two cores free
    target_of_one: float  # times less processor time, which is the ratio on one core


SETTINGS = (
    Setting(CARTPOLE, 64, 10, 1.5, 1.45),
    Setting(CARTPOLE, 256, 4, 1.0, 1.0),
    Setting(BREAKOUT, 64, 4, 1.5, 1.45),
    Setting(BREAKOUT, 256, 2, 1.0, 1.0),
)


def speed_lines(others: Sequence[OtherTrainer], setting: Setting, rounds: int, root: Path) -> Iterator[Line]:
    """Against others at equal settings, ours in chunks and with logging on; the first of them has the target."""
    config = large(env=setting.env, hidden_dim=setting.hidden, log_interval=setting.updates // 2)
    ours = Logged(config, root, setting.updates)
    if setting.hidden > 64:
        others = others[:1]  # the rest would take minutes and tell the same
    made = {other.name: other.make_round(config, setting.updates) for other in others}
    neighbours = Neighbours()
    found = alternating({"ours": ours, **made}, rounds)
    ours.finish()
    where = f"{setting.env.removeprefix('gymnax:')}, 256 x 128, 2 x {setting.hidden}"
    for number, other in enumerate(others):
        for of, words in WORDS.items():
            theirs = milliseconds(found[other.name][of], setting.updates)
            what = f"{other.name} over ours with logging, {where}, {words}"
            beside = (
                f"{theirs} an update, ours {milliseconds(found['ours'][of], setting.updates)}; {neighbours}"
            )
            values = ratios(found, other.name, of)
            if number == 0:
                target = setting.target if of == "wall" else setting.target_of_one
                yield against(what, values, target, "x", better="more", beside=beside)
            else:
                yield Line(what=what, figure=shown(values, "x"), beside=beside)


def milliseconds(seconds: Sequence[float], updates: int) -> str:
    """Of one update, the median of all rounds."""
    return f"{1e3 * float(np.median(seconds)) / updates:.0f} ms"


# Starting.


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


# Memory.


def memory_lines(root: Path) -> Iterator[Line]:
    """The peak at 256 x 128 of three chunks: of the first start, which compiles, and of the second."""
    games = {
        "CartPole-v1": (CARTPOLE, "jax, flax, optax, gymnax, rich", 4, ""),
        "HackMatrix": ("hackmatrix", "jax, flax, optax, rich", 83, "under 1,000 MB"),
    }
    for name, (env, packages, words, target) in games.items():
        run = [
            sys.executable, str(SCRIPT), "--env", env, "--total-timesteps", str(256 * 128 * 12),
            "--log-interval", "4", "--checkpoint-dir", str(root / "runs"),
        ]  # fmt: skip
        imports = [sys.executable, "-c", f"import {packages}; jax.numpy.zeros(1) + 1"]
        bare = f"{peak_mb(imports):.0f} MB after the imports alone; a rollout is {rollout_mb(words):.1f} MB"
        for start in ("first start, which compiles", "second start, from the compile cache"):
            peak = peak_mb(run, JAX_COMPILATION_CACHE_DIR=str(root / f"cache-{name}"))
            yield Line(
                what=f"peak memory of the script at 256 x 128, {name}, {start}",
                figure=f"{peak:.0f} MB",
                beside=bare,
                target=target,
                met=peak < 1000 if target else None,
            )


def rollout_mb(observation_words: int) -> float:
    """Observation, action, log probability, value, reward, two flags, advantage, target of every step."""
    return 256 * 128 * (4 * (observation_words + 7) + 2) / 1e6


def all_lines(
    *, quick: bool, purejaxrl: Path | None, sb3_python: Path | None, only: str = ""
) -> Iterator[Line]:
    """Every line, one after the other; or those of parts whose name has a word."""
    others = other_trainers(purejaxrl)
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        parts: dict[str, Callable[[], Iterator[Line]]] = {
            f"speed, {setting.env}, 2 x {setting.hidden}": partial(
                speed_lines, others, setting, (3 if quick else 12 if setting.hidden == 64 else 8), root
            )
            for setting in SETTINGS
        }
        parts |= {
            "learning": lambda: learning_lines(others[0], 2 if quick else 5),
            "time to 475": lambda: time_lines(sb3_python, rounds=1 if quick else 2),
            "chunks": lambda: chunk_lines(6 if quick else 30, root),
            "start": lambda: start_lines(root),
            "memory": lambda: memory_lines(root),
        }
        for part, measure in parts.items():
            if only not in part:
                continue
            print(f"  {part} ...", file=sys.stderr, flush=True)
            yield from measure()


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = lines.part_parser(__doc__)
    parser.add_argument("--purejaxrl", type=Path, metavar="PATH", help="its published ppo.py")
    parser.add_argument("--sb3-python", type=Path, metavar="PATH", help="Python that has Stable-Baselines3")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="e.g. speed, learning, chunks: parts with the word"
    )
    options = parser.parse_args()
    found = all_lines(
        quick=options.quick, purejaxrl=options.purejaxrl, sb3_python=options.sb3_python, only=options.only
    )
    lines.print_part(found, as_json=options.json)


if __name__ == "__main__":
    main()
