"""Games played by Hypothesis, which looks for a line of play that breaks a rule, and shortens it."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import jax
import numpy as np
import pytest
from boards import RICH, one_to_batch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from invariants import UNDO, check_board, check_ranges, check_step
from night import MORE, UNLIMITED
from oracle import Position, complete
from playing import Case, Transition, host_state, play
from random_positions import furnished_position, random_position

from hackmatrix.jax_env import state_from_dict, state_to_dict

pytestmark = UNLIMITED
chances = st.integers(0, 2**31 - 1)


class RandomPlay(RuleBasedStateMachine):
    """One game; when it is over another one begins."""

    @initialize(chance=chances, start=st.sampled_from(["start", "furnished", "anywhere"]))
    def begin(self, chance: int, start: str) -> None:
        random = Random(chance)
        positions = {
            "start": lambda: complete({}),
            "furnished": lambda: furnished_position(random),
            "anywhere": lambda: random_position(random),
        }
        self.put(host_state(positions[start]()))
        self.from_a_start = start != "anywhere"
        self.look()
        self.over = self.ended

    def put(self, state: Any) -> None:
        """Make this the position."""
        self.state, self.position = state, state_to_dict(state)

    def look(self) -> None:
        """What is legal, and what is seen, by way of an action that is none."""
        looked = self.play(-1, 0)
        self.legal = np.flatnonzero(looked.mask).tolist()
        self.seen = looked.shown_before
        self.ended = bool(looked.done)
        assert self.unchanged_by(looked)

    def play(self, action: int, chance: int, position: Position | None = None) -> Transition:
        """One step from here, or from another position; it leads nowhere by itself."""
        state = self.state if position is None else host_state(position)
        (transition,) = play([Case(state, position or self.position, action)], chance)
        return transition

    def unchanged_by(self, step: Transition) -> bool:
        """Did the step leave everything as it was, and say so."""
        assert step.after == self.position
        assert np.array_equal(step.shown_after, step.shown_before)
        assert step.info["invalid_action"]
        assert step.done == self.ended
        assert step.reward == (0 if self.ended else np.float32(-0.01))
        return True

    @precondition(lambda self: self.legal and not self.over)
    @rule(pick=st.integers(0, 27), chance=chances)
    def act_legally(self, pick: int, chance: int) -> None:
        action = self.legal[pick % len(self.legal)]
        step = self.play(action, chance)
        seen = {"before": self.state, "after": step.state, "action": np.int32(action), "reward": step.reward,
                "done": step.done, "info": step.info}  # fmt: skip
        check_step(one_to_batch(seen))
        assert np.array_equal(step.shown_before, self.seen)
        self.put(step.state)
        self.look()
        assert np.array_equal(step.shown_after, self.seen)
        self.over = bool(step.done)  # death on the exit is not to be seen in the position

    @rule(action=st.one_of(st.integers(0, 27), st.integers(-(2**31), 2**31 - 1)), chance=chances)
    def act_illegally(self, action: int, chance: int) -> None:
        if action not in self.legal:
            assert self.unchanged_by(self.play(action, chance))

    @precondition(lambda self: not self.ended)
    @rule(chance=chances)
    def undo(self, chance: int) -> None:
        """UNDO gives back the position that it is run in, but for its own flag."""
        ready = {
            **self.position,
            "player": {**self.position["player"], **RICH},
            "programs": sorted({*self.position["programs"], UNDO}),
            "undo_available": True,
        }
        undone = self.play(UNDO, chance, ready)
        assert undone.after == {**ready, "undo_available": False}
        assert not undone.done
        again = self.play(UNDO, chance, undone.after)
        assert again.info["invalid_action"]
        assert again.after == undone.after

    @rule()
    def go_through_the_doors(self) -> None:
        """Written down and read again it is the same, and play goes on from there."""
        read = jax.device_get(state_from_dict(self.position))
        for leaf, same in zip(jax.tree.leaves(read), jax.tree.leaves(self.state), strict=True):
            assert leaf.dtype == same.dtype
            assert np.array_equal(leaf, same)
        self.put(read)

    @precondition(lambda self: self.over or not self.legal)
    @rule(chance=chances, start=st.sampled_from(["start", "furnished", "anywhere"]))
    def begin_again(self, chance: int, start: str) -> None:
        self.begin(chance, start)

    @invariant()
    def ranges_hold(self) -> None:
        check_ranges(one_to_batch(self.state))
        if self.from_a_start:
            check_board(one_to_batch(self.state))
            assert self.ended or self.legal


TestRandomPlay = RandomPlay.TestCase
TestRandomPlay.settings = settings(max_examples=8 * MORE, stateful_step_count=30, deadline=None)


def later(transition: Transition) -> Transition:
    return transition._replace(after={**transition.after, "turn": transition.after["turn"] + 1})


def dearer(transition: Transition) -> Transition:
    return transition._replace(reward=transition.reward - np.float32(0.5))


@pytest.mark.parametrize(
    ("actions", "defect"),
    [([UNDO], later), (range(28), dearer), ([-1], later)],
    ids=["undo", "reward", "illegal"],
)
def test_a_planted_defect_is_found(
    monkeypatch: pytest.MonkeyPatch, actions: Sequence[int], defect: Callable[[Transition], Transition]
) -> None:
    """A machine that finds nothing in a broken game is worth nothing."""
    sound = play

    def defective(cases: list[Case], seed: int) -> list[Transition]:
        return [defect(step) if step.action in actions else step for step in sound(cases, seed)]

    monkeypatch.setitem(globals(), "play", defective)
    once = settings(max_examples=20, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(RandomPlay, settings=once)
