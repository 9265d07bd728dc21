"""The order of one step, with walls between its phases, for a batch with the env axis last.

Rules: docs/game.md, sections 4 and 16.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.actions import count_turn, siphon_or_run, takes_turn
from hackmatrix.jax_env.blocks import blocks_of
from hackmatrix.jax_env.chance import Seed, seed_from_words
from hackmatrix.jax_env.compact import compact_observation
from hackmatrix.jax_env.constants import NO_ACTION, SIPHON, WON_STAGE
from hackmatrix.jax_env.enemies_turn import enemies_move_and_hit, transmissions_arrive, turn_ends
from hackmatrix.jax_env.geometry import steps_between
from hackmatrix.jax_env.mask import is_legal, legal_bits
from hackmatrix.jax_env.movement import shoot_or_walk
from hackmatrix.jax_env.pathfinding import walking_distance
from hackmatrix.jax_env.progress import completes_stage, next_stage
from hackmatrix.jax_env.rewards import StepFacts, reward_parts
from hackmatrix.jax_env.siphon_quality import SiphonQuality, siphon_quality
from hackmatrix.jax_env.state import EnvState
from hackmatrix.jax_env.walls import wall, when

Step = tuple[Array, EnvState, Array, Array, dict[str, Array]]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Outcome:
    """What happened in a step; (env,) each."""

    was_ended: Array
    acted: Array
    stage_completed: Array
    player_died: Array
    game_won: Array
    quality: SiphonQuality
    distance_before: Array
    distance_after: Array


def batch_step(key_words: Array, state: EnvState, action: Array) -> Step:
    """One step of each environment.

    Args:
        key_words: uint32 (words, env).
        state: leaves (..., env).
        action: int32 (env,), any number.

    Returns:
        (compact observation uint32 (83, env), state, reward float32 (env,), done bool (env,), info).
    """
    before, seed = state, seed_from_words(key_words)
    was_ended = (before.player.hp == 0) | (before.stage == WON_STAGE)
    legal = wall(before.turn, legal_bits, before)
    acted = is_legal(legal, action) & ~was_ended
    action = jnp.where(acted, action, NO_ACTION)
    distance_before = wall(before.turn, distance_to_exit, before)
    quality: SiphonQuality = when(jnp.any(action == SIPHON), siphon_quality, before)

    state = _act(before, action, seed)
    state = _enemies_turn(state, action, seed)
    player_died = acted & (state.player.hp == 0)
    stage_completed = acted & completes_stage(state, action)
    state = next_stage(state, stage_completed, seed)
    game_won = stage_completed & (state.stage == WON_STAGE)

    outcome = Outcome(
        was_ended=was_ended,
        acted=acted,
        stage_completed=stage_completed,
        player_died=player_died,
        game_won=game_won,
        quality=quality,
        distance_before=distance_before,
        distance_after=wall(state.turn, distance_to_exit, state),
    )
    reward, info = wall(state.turn, _rewards, before, state, action, outcome)
    done = player_died | game_won | was_ended
    return wall(state.turn, compact_observation, state), state, reward, done, info


def _act(state: EnvState, action: Array, seed: Seed) -> EnvState:
    """The position after a legal action itself, its turn counted; `NO_ACTION` changes nothing."""
    blocks = blocks_of(state.cells)
    state = wall(state.turn, shoot_or_walk, state, action)
    state = wall(state.turn, siphon_or_run, state, blocks, action, seed)
    return count_turn(state, action)


def _enemies_turn(state: EnvState, action: Array, seed: Seed) -> EnvState:
    """Transmissions, moves, hits, schedule, recovery, where the action took the turn."""
    unsiphoned, turn_taken = blocks_of(state.cells).unsiphoned, takes_turn(action)
    state = wall(state.turn, transmissions_arrive, state, turn_taken)
    state = wall(state.turn, enemies_move_and_hit, state, unsiphoned, turn_taken)
    return wall(state.turn, turn_ends, state, unsiphoned, turn_taken, seed)


def distance_to_exit(state: EnvState) -> Array:
    """int32 (env,): walking distance, every block a wall, siphoned or not; -1 if there is no path."""
    player, blocked = state.player, blocks_of(state.cells).all
    return walking_distance(player, state.exit, blocked)


def siphon_enemy_adjacent(state: EnvState) -> Array:
    """Bool (env,): does an enemy that came of a siphon stand beside the player."""
    enemies, player = state.enemies, state.player
    beside = steps_between(enemies, player) == 1
    return jnp.any(enemies.present & beside & enemies.spawned_from_siphon, axis=0)


def _rewards(
    before: EnvState, after: EnvState, action: Array, outcome: Outcome
) -> tuple[Array, dict[str, Array]]:
    """(reward, info) of the step; nothing for a game that had ended."""
    was, now = before.player, after.player
    enemies_gone = slots.count(before.enemies.present) - slots.count(after.enemies.present)
    facts = StepFacts(
        action=action,
        stage_after=after.stage,
        stage_completed=outcome.stage_completed,
        game_won=outcome.game_won,
        player_died=outcome.player_died,
        hp_before=was.hp,
        hp_after=now.hp,
        score_before=was.score,
        score_after=now.score,
        credits_before=was.credits,
        credits_after=now.credits,
        energy_before=was.energy,
        energy_after=now.energy,
        kills=jnp.maximum(enemies_gone, 0),
        data_siphons=jnp.maximum(now.data_siphons - was.data_siphons, 0),
        distance_before=outcome.distance_before,
        distance_after=outcome.distance_after,
        siphon_better=outcome.quality.better,
        siphon_missed_credits=outcome.quality.missed_credits,
        siphon_missed_energy=outcome.quality.missed_energy,
        siphon_enemy_adjacent=siphon_enemy_adjacent(after),
    )
    parts = {
        name: jnp.where(outcome.was_ended, 0.0, value).astype(jnp.float32)
        for name, value in reward_parts(facts).items()
    }
    info: dict[str, Any] = {
        **parts,
        "stage": after.stage,
        "score": now.score,
        "hp": now.hp,
        "stage_completed": outcome.stage_completed,
        "player_died": outcome.player_died,
        "game_won": outcome.game_won,
        "invalid_action": ~outcome.acted,
    }
    return sum(parts.values(), jnp.zeros((), jnp.float32)), info
