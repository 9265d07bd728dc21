"""Which steps and tags may still be said: never a smaller step, never a tag twice in one."""

import operator
from collections.abc import Collection, Sequence
from typing import Any

from hackmatrix.tracking.errors import StepOrderError
from hackmatrix.tracking.naming import check_tag

_KNOWN_TAGS = 100_000  # beyond that, tags are checked anew each time, so that memory stays bounded


def whole_number(step: Any) -> int:
    """A step as an ``int``; NumPy's integers are, too, bools and floats are not.

    Raises:
        StepOrderError: it is no integer, or below 0.
    """
    try:
        if isinstance(step, bool):
            raise TypeError
        number = operator.index(step)
    except TypeError:
        raise StepOrderError(
            f"step is {step!r}, expected an integer >= 0, e.g. the number of finished updates"
        ) from None
    if number < 0:
        raise StepOrderError(f"step is {number}, expected an integer >= 0; count from 0")
    return number


class StepOrder:
    """The steps of one run so far; the owner calls it under a lock.

    Args:
        last_step: the newest step of earlier attempts; sealed.

    Attributes:
        newest: the newest step; -1 before the first.
        sealed: no row may name a step up to here.
    """

    def __init__(self, last_step: int | None) -> None:
        self._last_step = last_step
        self.newest = self.sealed = -1 if last_step is None else last_step
        # Of the newest step: the row itself, since a set costs more than all else. The writer's thread adds what a
        # line has besides, so it is taken by `set()` in one go, and never looped over.
        self._tags: Collection[str] = ()
        self._known: set[str] = set()

    def check_tags(self, tags: Collection[str]) -> None:
        """Refuse what is no tag; those seen before cost nothing."""
        if not self._known.issuperset(tags):
            for tag in tags:
                check_tag(tag)
            if len(self._known) < _KNOWN_TAGS:
                self._known.update(tags)

    def admit_row(self, step: int, tags: Collection[str]) -> None:
        """``check_tags`` and ``admit`` of one row."""
        if not self._known.issuperset(tags):
            self.check_tags(tags)
        if step > self.newest:
            self.newest, self._tags = step, tags
        else:
            self.admit(step, step, tags)

    def admit(self, first: int, last: int, tags: Collection[str]) -> None:
        """Take note of steps from ``first`` to ``last`` with these tags.

        Raises:
            StepOrderError: the first is smaller than the newest, sealed, or the newest with a tag it has.
        """
        if first > self.newest:
            self.newest, self._tags = last, tags
            return
        self.check_step(first)
        repeated = set(self._tags).intersection(tags)
        if repeated:
            raise StepOrderError(
                f"step {first} has {min(repeated)!r} already; log each tag once per step, or raise the step"
            )
        self._tags = tags if last > self.newest else {*self._tags, *tags}
        self.newest = last

    def admit_series(
        self, steps: Sequence[int], first_tags: Collection[str], last_tags: Collection[str]
    ) -> None:
        """Take note of ascending steps, with the tags of the first row and of the last.

        Raises:
            StepOrderError: as ``admit``.
        """
        self.admit(steps[0], steps[0], first_tags)
        if len(steps) > 1:
            self.admit(steps[-1], steps[-1], last_tags)

    def check_step(self, step: int) -> None:
        """Refuse a step that is over.

        Raises:
            StepOrderError: it is smaller than the newest, or sealed.
        """
        if step >= self.newest and step > self.sealed:
            return
        if self._last_step is not None and step <= self._last_step:
            raise StepOrderError(
                f"step {step} was logged before this attempt, which goes on after step {self._last_step}; "
                "begin at run.next_step, or open with resume=find_run(...) to go on from a checkpoint"
            )
        if step <= self.sealed:
            raise StepOrderError(
                f"step {step} is sealed by the checkpoint of step {self.sealed}; log before you save"
            )
        raise StepOrderError(
            f"step {step} is smaller than step {self.newest} before it; steps never fall: log "
            f"{self.newest} or a larger one"
        )

    def takes(self, tags: Collection[str]) -> bool:
        """Whether the newest step is open, and has none of these tags."""
        return self.newest > self.sealed and set(self._tags).isdisjoint(tags)

    def seal(self, step: int) -> None:
        """No row may name a step up to ``step`` any more.

        Raises:
            StepOrderError: a later step is sealed already.
        """
        if step < self.sealed:
            raise StepOrderError(f"step {step} cannot be saved after the checkpoint of step {self.sealed}")
        self.sealed = step
        if step > self.newest:
            self.newest, self._tags = step, ()
