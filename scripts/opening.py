"""How the run of each seed is opened: its name, its config, what is told of this attempt."""

import argparse
import dataclasses
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agents import group_of, group_size, name_of_seed, open_group
from choosing import Setup, described, group_of_source

from hackmatrix import __version__
from hackmatrix.purejaxrl import VOLATILE_TAGS, TrainConfig, platform_facts
from hackmatrix.tracking import FoundRun, Tracker, open_tracker
from hackmatrix.tracking.protocol import Resume
from hackmatrix.tracking.roots import run_root
from hackmatrix.tracking.system_metrics import SYSTEM_TAGS

MANY_RUNS = 16  # of one process at wandb; each has a client of its own
RUN_PREFIX = "hackmatrix-jax"


def open_all(
    args: argparse.Namespace,
    setup: Setup,
    config: TrainConfig,
    found: Sequence[FoundRun | None],
    source: FoundRun | None,
) -> list[Tracker]:
    """A tracker for each seed; nothing is left open if one fails."""
    seeds = range(config.seed, config.seed + len(found))
    trackers: list[Tracker] = []
    facts = {**platform_facts(), "hackmatrix": __version__, "commit": _commit()}
    if len(found) > 1:
        facts["seed_batching"] = args.seed_batching  # changes bits, and is no part of the config

    def open_one(
        seed: int, run: FoundRun | None, name: str | None, group: str | None, resume: Resume = "allow"
    ) -> None:
        automatic = run is None and name is None
        tracker = open_tracker(
            setup.trackers,
            project=args.project,
            entity=setup.entity,
            name=name if run is None else None,
            prefix=RUN_PREFIX if automatic else None,
            suffix=args.run_suffix if automatic else None,
            config=described(
                dataclasses.replace(config, seed=seed), source, max(len(found), group_size(run))
            ),
            attempt=facts,
            group=args.group or group or (group_of_source(source) if source is not None else None),
            tags=args.tags.split(",") if args.tags else None,
            notes=args.notes,
            root=setup.root,
            resume=resume if run is None else run,
            may_change=() if config.anneal_lr else ("total_timesteps",),
            volatile=(*VOLATILE_TAGS, *SYSTEM_TAGS),
            options=setup.options,
        )
        trackers.append(tracker)

    try:
        if len(seeds) == 1:
            open_one(seeds[0], found[0], args.run_name, None)
            return trackers
        if len(seeds) > MANY_RUNS and "wandb" in setup.trackers:
            logging.getLogger("hackmatrix.tracking").warning(
                "%d runs at wandb have as many clients in this process; a group in jsonl can be replayed later",
                len(seeds),
            )
        known = next((group_of(run.name, seed) for seed, run in zip(seeds, found, strict=True) if run), None)
        group = known or args.run_name
        if group is None:
            group = open_group(
                RUN_PREFIX, args.run_suffix, run_root(setup.root), seeds[0],
                lambda name, group: open_one(seeds[0], None, name, group, "never"),
            )  # fmt: skip
        for seed, run in list(zip(seeds, found, strict=True))[len(trackers) :]:
            open_one(seed, run, name_of_seed(group, seed), group)
    except BaseException:
        for tracker in trackers:
            tracker.finish("failed", timeout=5.0)
        raise
    return trackers


def _commit() -> str | None:
    """The commit of this checkout; none where there is no git, or no checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
