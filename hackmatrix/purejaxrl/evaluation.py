"""Whole games of a trained network, one per environment, and what came of each."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hackmatrix.purejaxrl import masking
from hackmatrix.purejaxrl.environments import LogColumn
from hackmatrix.purejaxrl.runner import Parts

Policy = Literal["greedy", "sample", "random"]


class Games(NamedTuple):
    """What came of each game; every leaf is (game,)."""

    episode_return: NDArray[np.float32]
    episode_length: NDArray[np.int32]  # env steps
    columns: dict[str, NDArray[np.float32]]  # what the environment declares of a whole episode, by tag


class _Table(NamedTuple):
    """The games while they are played; leaves are (game, ...)."""

    state: Any
    observation: Any
    running: jax.Array  # bool
    episode_return: jax.Array
    episode_length: jax.Array
    columns: tuple[jax.Array, ...]


def play_games(parts: Parts, params: Any, *, games: int, seed: int, policy: Policy = "greedy") -> Games:
    """Play games to their end, or to the time limit.

    Args:
        parts: of the run that was trained; its time limit must not be None if games may go on for ever.
        params: the network's.
        games: how many, side by side.
        seed: what chance goes by.
        policy: ``greedy`` takes the most probable legal action, ``sample`` draws one, ``random`` draws
            uniformly from the legal ones, whatever the network says.
    """
    columns = tuple(column for column in parts.env.log_columns if column.reduction != "mean")
    table = jax.jit(lambda params, key: _play(parts, params, key, columns, games, policy))(
        params, jax.random.key(seed)
    )
    return Games(
        np.asarray(table.episode_return),
        np.asarray(table.episode_length),
        {column.tag: np.asarray(x) for column, x in zip(columns, table.columns, strict=True)},
    )


def _play(
    parts: Parts, params: Any, key: jax.Array, columns: tuple[LogColumn, ...], games: int, policy: Policy
) -> _Table:
    reset_key, play_key = jax.random.split(key)
    observation, state = parts.env.reset(jax.random.split(reset_key, games))
    zeros = jnp.zeros((games,), jnp.float32)
    first = _Table(
        state, observation, zeros == 0, zeros, jnp.zeros((games,), jnp.int32), tuple(zeros for _ in columns)
    )

    def one_step(carry: tuple[jax.Array, _Table]) -> tuple[jax.Array, _Table]:
        key, table = carry
        key, step_key = jax.random.split(key)
        return key, _step(parts, params, step_key, table, columns, policy)

    return jax.lax.while_loop(lambda carry: jnp.any(carry[1].running), one_step, (play_key, first))[1]


def _step(
    parts: Parts, params: Any, key: jax.Array, table: _Table, columns: tuple[LogColumn, ...], policy: Policy
) -> _Table:
    action_key, step_key = jax.random.split(key)
    action = _choose(parts, params, action_key, table, policy)
    step = parts.env.step(jax.random.split(step_key, action.shape[0]), table.state, action)
    length = table.episode_length + table.running
    ended = step.terminated | step.truncated
    if parts.time_limit is not None:
        ended |= length >= parts.time_limit
    figures = tuple(
        jnp.where(
            table.running,
            jnp.maximum(held, column.read(action, step.info))
            if column.reduction == "max"
            else column.read(action, step.info),
            held,
        )
        for held, column in zip(table.columns, columns, strict=True)
    )
    return _Table(
        step.state,
        step.observation,
        table.running & ~ended,
        table.episode_return + jnp.where(table.running, step.reward, 0.0),
        length,
        figures,
    )


def _choose(parts: Parts, params: Any, key: jax.Array, table: _Table, policy: Policy) -> jax.Array:
    logits = parts.forward(params, table.observation)[0]
    if policy == "random":
        logits = jnp.zeros_like(logits)
    logits = masking.mask_logits(logits, parts.env.action_mask(table.state))
    if policy == "greedy":
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return masking.sample(key, logits)
