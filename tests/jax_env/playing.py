"""The fast game played in batches, every step written down for comparison.

Only the public doors of docs/game.md, section 18, are used. One program is compiled for the whole session:
many positions side by side, fetched to the host once per batch.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import oracle
from oracle.geometry import steps_between
from oracle.legality import has_ended
from oracle.tables import DIRECTIONS, Position
from random_positions import furnished_position, random_position

from hackmatrix import jax_env

BATCH = 256
NO_ACTIONS = (-1, 28, 1000)


class Case(NamedTuple):
    """A position, as the game's state on the host and as plain Python, and what to play in it."""

    state: Any
    before: Position
    action: int


class Transition(NamedTuple):
    """All that the public doors say about one step."""

    before: Position
    action: int
    mask: np.ndarray
    """Legal actions before."""
    shown_before: np.ndarray
    """``observe`` before, flat."""
    after: Position
    shown_after: np.ndarray
    """The observation that ``step`` returned, flat."""
    reward: np.float32
    done: bool
    info: dict[str, Any]
    state: Any
    """The state after, on the host."""


def host_state(position: Position) -> Any:
    """The game's state for a position, with NumPy leaves."""
    return jax.device_get(jax_env.state_from_dict(position))


@jax.jit
def _step_all(keys: jax.Array, states: Any, actions: jax.Array) -> tuple[Any, ...]:
    def one(key: jax.Array, state: Any, action: jax.Array) -> tuple[Any, ...]:
        shown_after, after, reward, done, info = jax_env.step(key, state, action)
        shown_before = jax_env.flatten_observation(jax_env.observe(state))
        mask = jax_env.action_mask(state)
        return mask, shown_before, after, jax_env.flatten_observation(shown_after), reward, done, info

    return jax.vmap(one)(keys, states, actions)


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    cases = iter(cases)
    while batch := list(islice(cases, BATCH)):
        yield batch


def play(cases: Iterable[Case], seed: int) -> Iterator[Transition]:
    """Play every case once, in batches of one size, each with a key of its own."""
    root = jax.random.key(seed)
    for number, chunk in enumerate(_batches(cases)):
        padded = [*chunk, *[chunk[-1]] * (BATCH - len(chunk))]
        states = jax.tree.map(lambda *leaves: np.stack(leaves), *[case.state for case in padded])
        actions = jnp.array([case.action for case in padded], jnp.int32)
        keys = jax.random.split(jax.random.fold_in(root, number), BATCH)
        played = jax.device_get(_step_all(keys, states, actions))
        for index, case in enumerate(chunk):
            yield _transition(case, jax.tree.map(lambda leaf: leaf[index], played))  # noqa: B023  used at once


def _transition(case: Case, played: tuple[Any, ...]) -> Transition:
    mask, shown_before, state, shown_after, reward, done, info = played
    return Transition(
        before=case.before,
        action=case.action,
        mask=mask,
        shown_before=shown_before,
        after=jax_env.state_to_dict(state),
        shown_after=shown_after,
        reward=reward,
        done=done,
        info=info,
        state=state,
    )


def record_positions(num_positions: int, seed: int) -> Iterator[Transition]:
    """Every legal action of many hand-set positions, and two that are illegal or no actions at all."""
    return play(_cases_of_positions(num_positions, seed), seed)


def _cases_of_positions(num_positions: int, seed: int) -> Iterator[Case]:
    random = Random(seed)
    for _ in range(num_positions):
        position = random_position(random)
        state = host_state(position)
        legal = _legal_actions(position)
        illegal = [action for action in [*range(28), *NO_ACTIONS] if action not in legal]
        for action in [*legal, *random.sample(illegal, 2)]:
            yield Case(state, position, action)


def record_games(num_games: int, steps: int, seed: int) -> Iterator[Transition]:
    """Games side by side, each begun anew after its end: from the start, furnished, or from anywhere."""
    random = Random(seed)
    seats = [_new_game(random) for _ in range(num_games)]
    for number in range(steps):
        cases = [Case(state, before, _choose(random, before)) for state, before in seats]
        seats = []
        for transition in play(cases, seed + 1_000_003 * number):
            yield transition
            over = (
                transition.done and random.random() < 0.7
            )  # the others play on, to see that nothing happens
            seats.append(_new_game(random) if over else (transition.state, transition.after))


def _new_game(random: Random) -> tuple[Any, Position]:
    kind = random.choice(["start", "furnished", "furnished", "anywhere"])
    if kind == "start":
        position = oracle.complete({})
    else:
        position = furnished_position(random) if kind == "furnished" else random_position(random)
    return host_state(position), position


def _legal_actions(position: Position) -> list[int]:
    return [action for action, legal in enumerate(oracle.action_mask(position)) if legal]


def _choose(random: Random, position: Position) -> int:
    """Mostly legal, with a pull towards the exit and towards siphons, so that games come far."""
    legal = _legal_actions(position)
    chance = random.random()
    if chance < 0.03 or not legal or has_ended(position):
        return random.choice([*range(28), *NO_ACTIONS])
    if chance < 0.5:
        here = (position["player"]["row"], position["player"]["col"])
        exit_ = tuple(position["exit"])
        nearer = [
            action
            for action, (row, col) in enumerate(DIRECTIONS)
            if action in legal
            and steps_between((here[0] + row, here[1] + col), exit_) < steps_between(here, exit_)
        ]
        if nearer:
            return random.choice(nearer)
    if chance < 0.65 and 4 in legal:
        return 4
    return random.choice(legal)
