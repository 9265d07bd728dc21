"""What ``--benchmark`` found: a table and a picture for people, JSON for machines."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks import Calls
from machine import described
from overhead import LEVEL, Overhead, Pair, Verdict, picture
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

UNSEEN = (
    "waiting for Python's lock outside the calls: a tracker's thread holds it at most for its processor time",
    "collections of garbage set off in the loop, colder caches, memory bandwidth: only the wall A/B holds them",
    "a slower disk, a network, another program beside it: this is this machine, now",
)
OVERSTATED = (
    "background work counts as if no core had been free for it",
    "calls count whole, though the device computes the next chunk meanwhile",
    "what threads use all the time counts twice, for the tracker's blocks and for null's",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditions:
    """What was measured with."""

    machine: dict[str, str | int | float]
    config: dict[str, Any]
    compile_s: float
    chunk_s: float  # wall of one chunk under null, before measuring
    rows_per_chunk: int
    block_chunks: int
    cores: int
    cores_used_by_others: float | None  # during the warm-up
    background_known: bool  # whether the system tells threads apart


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostOf:
    """One tracker's figures."""

    tracker: str
    verdict: Verdict
    overhead: Overhead | None  # None: fewer than two pairs of blocks were measured
    chunks_to_decide: int | None
    tracker_calls: Calls
    null_calls: Calls
    open_s: float
    finish_s: float
    problem: str | None  # rows did not arrive
    pairs: tuple[Pair, ...]


def print_report(console: Console, limit: float, conditions: Conditions, costs: Sequence[CostOf]) -> None:
    """Say it to a person."""

    def say(text: str = "") -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(described(conditions.machine))
    free = conditions.cores_used_by_others
    say(
        f"a chunk takes {conditions.chunk_s:.3g} s ({conditions.config['env']}, "
        f"{conditions.config['log_interval']} updates of {conditions.config['num_envs']} x "
        f"{conditions.config['num_steps']}) and logs {conditions.rows_per_chunk} row"
        f"{'s' if conditions.rows_per_chunk > 1 else ''}; blocks of {conditions.block_chunks} chunks; compiled in "
        f"{conditions.compile_s:.1f} s"
        + ("" if free is None else f"; other programs used {free:.1f} of {conditions.cores} cores")
    )
    console.print(_table(costs))
    for cost in costs:
        say()
        if cost.overhead is not None:
            for line in picture(cost.overhead, limit):
                say(line)
        say(f"{cost.tracker}: {_sentence(cost, limit)}")
        say(f"{cost.tracker}: {_details(cost)}")
    say()
    say("Not seen: " + "; ".join(UNSEEN) + ".")
    say("Overstated by the upper bound: " + "; ".join(OVERSTATED) + ".")
    if not conditions.background_known:
        say("This system does not tell threads apart: the upper bound lacks the background's processor time.")


def _table(costs: Sequence[CostOf]) -> Table:
    table = Table(title="What tracking costs: a share of training time, 95% intervals", box=SIMPLE)
    table.add_column("tracker", no_wrap=True)
    for heading in ("upper bound", "inside calls", "wall, A/B"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in costs:
        found = cost.overhead
        shares = ["-"] * 3 if found is None else [str(found.upper), str(found.inside), str(found.wall)]
        table.add_row(cost.tracker, *shares)
    return table


def _details(cost: CostOf) -> str:
    chunks = max(1, sum(pair.chunks for pair in cost.pairs))
    behind = sum(pair.background for pair in cost.pairs)
    calls = cost.tracker_calls
    waiting = 1 - calls.processor / calls.wall if calls.wall else 0.0
    return (
        f"a chunk: {1e6 * calls.wall / chunks:.0f} us inside {calls.number / chunks:g} calls "
        f"({1e6 * cost.null_calls.wall / chunks:.0f} with null, {100 * max(0.0, waiting):.0f}% of it waiting), "
        f"{1e6 * behind / chunks:.0f} us of processor time behind the loop; {chunks} chunks in {len(cost.pairs)} "
        f"pairs of blocks, opened in {1e3 * cost.open_s:.1f} ms, finished in {1e3 * cost.finish_s:.1f} ms"
    )


def _sentence(cost: CostOf, limit: float) -> str:
    wanted = f"{100 * limit:g}%"
    if cost.problem is not None:
        return f"rows did not arrive, so this was not tracking: {cost.problem}"
    if cost.verdict is Verdict.UNDER:
        return f"costs less than {wanted}"
    if cost.verdict is Verdict.OVER:
        return f"costs more than {wanted}"
    if cost.chunks_to_decide is not None:
        return f"undecided; --benchmark-chunks {cost.chunks_to_decide} would decide whether it costs {wanted}"
    return (
        f"undecided: its threads work for more than {wanted}, and no loss of that size is seen in the loop; more "
        f"chunks would not decide, a free core would make it harmless"
    )


def write_json(path: Path, limit: float, conditions: Conditions, costs: Sequence[CostOf]) -> None:
    """Say it to a program."""
    content = {
        "limit": limit,
        "level": LEVEL,
        "conditions": dataclasses.asdict(conditions),
        "trackers": [
            {**dataclasses.asdict(cost), "verdict": cost.verdict.name.lower(), "exit_code": int(cost.verdict),
             "tracker_calls": cost.tracker_calls._asdict(), "null_calls": cost.null_calls._asdict()}
            for cost in costs
        ],
        "not_seen": UNSEEN,
        "overstated": OVERSTATED,
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
