"""Any sequence of calls, kills and resumes leaves each step once, with the right numbers, wherever it is read."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hackmatrix.tracking import find_run, open_tracker, read_run
from tests.tracking.list_backend import read_listing

Rows = dict[int, dict[str, float]]
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)
metrics = st.dictionaries(st.sampled_from(["a/x", "a/y", "b"]), numbers, max_size=3)


class AnyHistory(RuleBasedStateMachine):
    """A run beside the plainest model of it: what was said, and what the checkpoints remember.

    A kill leaves the tracker alone and goes on from a copy of its files as they stood at that instant.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folders = TemporaryDirectory()
        self._lives = 0
        self.said: Rows = {}
        self.safe: Rows = {}  # flushed, so that a kill must not lose it
        self.saved: dict[int, Rows] = {}
        self.sealed = -1
        self.tracker: Any = None
        self.abandoned: list[Any] = []

    @property
    def root(self) -> Path:
        return Path(self._folders.name) / str(self._lives)

    @initialize()
    def begin(self) -> None:
        self.tracker = open_tracker("listing", name="r", root=self.root, config={"seed": 1})

    def _next_step(self, more: int) -> int:
        return max([self.sealed, *self.said]) + more if self.said or self.sealed >= 0 else more

    @precondition(lambda self: self.tracker)
    @rule(metrics=metrics, more=st.integers(0, 3))
    def log(self, metrics: dict[str, float], more: int) -> None:
        step = self._next_step(more)
        if step <= self.sealed:
            step = self.sealed + 1
        metrics = {tag: value for tag, value in metrics.items() if tag not in self.said.get(step, {})}
        self.tracker.log(metrics, step=step)
        self.said.setdefault(step, {}).update(metrics)

    @precondition(lambda self: self.tracker)
    @rule(columns=st.lists(metrics, min_size=1, max_size=4), gap=st.integers(1, 2))
    def log_series(self, columns: list[dict[str, float]], gap: int) -> None:
        first = self._next_step(1)
        steps = [first + gap * index for index in range(len(columns))]
        tags = sorted({tag for row in columns for tag in row})
        self.tracker.log_series(
            {tag: [row.get(tag, 0.0) for row in columns] for tag in tags},
            steps=steps,
            present={tag: [tag in row for row in columns] for tag in tags},
        )
        self.said.update({step: dict(row) for step, row in zip(steps, columns, strict=True)})

    def _is_held(self) -> None:
        self.safe = {step: dict(row) for step, row in self.said.items()}

    @precondition(lambda self: self.tracker)
    @rule()
    def flush(self) -> None:
        assert self.tracker.flush(30.0)
        self._is_held()

    @precondition(lambda self: self.tracker and self.said)
    @rule(keep=st.sampled_from([None, 1, 2]))
    def checkpoint(self, keep: int | None) -> None:
        step = max([self.sealed, *self.said])
        place = self.tracker.run.folder / "checkpoints" / "tmp-state"
        place.mkdir(parents=True)
        (place / "state").write_text(str(step))
        self.tracker.log_artifact(place, name="checkpoint", step=step, keep=keep, with_journal=True)
        self._is_held()
        self.saved[step] = {at: dict(row) for at, row in self.said.items()}
        if keep is not None:
            self.saved = dict(sorted(self.saved.items())[-keep:])
        self.sealed = step

    def _copy(self) -> None:
        """The files as they stand now, for a life in which nothing that is said to the old tracker arrives.

        Without what followers tell of themselves: nothing goes on from it, and their threads still replace it.
        """
        before = self.root
        self._lives += 1
        shutil.copytree(before, self.root, ignore=shutil.ignore_patterns("followers"))

    @precondition(lambda self: self.tracker)
    @rule()
    def kill(self) -> None:
        self._copy()
        self.abandoned.append(self.tracker)
        self.tracker = None

    @precondition(lambda self: self.tracker)
    @rule()
    def finish(self) -> None:
        report = self.tracker.finish()
        assert report.complete
        self._is_held()
        self.tracker = None

    @precondition(lambda self: self.tracker is None)
    @rule()
    def go_on_by_name(self) -> None:
        """What a kill did not lose is kept; of what was not flushed, any beginning may be there."""
        self.tracker = open_tracker("listing", name="r", root=self.root, config={"seed": 1}, resume="must")
        found = {row.step: row.metrics for row in read_run("r", self.root).rows()}
        for step, row in self.safe.items():
            assert found.get(step, {}).items() >= row.items(), f"step {step} was flushed and is lost"
        for step, row in found.items():
            assert row.items() <= self.said[step].items()
        self.said = found
        self._is_held()
        # A step said before the kill is over, and what was sealed stays so.
        self.sealed = -1 if self.tracker.run.last_step is None else self.tracker.run.last_step

    @precondition(lambda self: self.tracker is None)
    @rule()
    def go_on_from_checkpoint(self) -> None:
        found = find_run("r", root=self.root)
        assert found is not None
        place = found.fetch_checkpoint()
        newest = max(self.saved, default=None)
        assert found.step == newest
        if place is not None:
            assert (place / "state").read_text() == str(newest)
        self.tracker = open_tracker("listing", root=self.root, config={"seed": 1}, resume=found)
        assert self.tracker.run.last_step == newest
        self.said = self.saved[newest] if newest is not None else {}
        self.said = {step: dict(row) for step, row in self.said.items()}
        self._is_held()
        self.sealed = -1 if newest is None else newest

    @precondition(lambda self: self.tracker)
    @invariant()
    def newest_is_known(self) -> None:
        assert self.tracker._steps.newest == max([self.sealed, *self.said], default=-1)

    def teardown(self) -> None:
        try:
            if self.tracker is None and self._lives + len(self.said) == 0:
                return
            if self.tracker is None:
                self.go_on_by_name()
            assert self.tracker.finish().complete
            lines = [(row.step, tag) for row in read_run("r", self.root).lines() for tag in row.metrics]
            assert len(lines) == len(set(lines)), "a tag of a step stands twice in the journal"
            journal = {row.step: row.metrics for row in read_run("r", self.root).rows()}
            assert journal == self.said
            listed: Rows = {}
            for row in read_listing(self.tracker.run):
                held = listed.setdefault(row.step, {})
                assert row.step == max(listed), "steps fall at the backend"
                assert not held.keys() & row.metrics.keys(), "a tag of a step stands twice at the backend"
                held.update(row.metrics)
            assert {step: row for step, row in listed.items() if row} == {
                step: row for step, row in self.said.items() if row
            }
        finally:
            for tracker in self.abandoned:
                tracker.finish()
            self._folders.cleanup()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(stateful_step_count=15)
