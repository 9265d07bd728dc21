"""Positions as plain Python, in and out.

`state_to_dict` gives dicts, lists, ints, bools and strings only; `state_from_dict` takes the same and makes
up for what is left out. So a position can be written down in a test, a notebook or a bug report.

Rules: docs/game.md, section 18, "Positions as plain Python".
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import schema
from hackmatrix.jax_env.constants import (
    ENEMY_TYPES,
    FIRST_PROGRAM,
    FULL_HP,
    GRID_SIZE,
    MAX_ENEMIES,
    NUM_CELLS,
    NUM_PROGRAMS,
)
from hackmatrix.jax_env.packed import values_of, word_of
from hackmatrix.jax_env.schema import PositionError
from hackmatrix.jax_env.stage import PROGRAM_SPAWNS
from hackmatrix.jax_env.state import (
    FIRST_DATA_CONTENT,
    FIRST_PROGRAM_CONTENT,
    Cells,
    Enemies,
    EnvState,
    Player,
    Transmissions,
)

Position = dict[str, Any]
Cell = tuple[int, int]


def state_from_dict(position: Position) -> EnvState:
    """The state of a position; every key may be left out, `{}` is the start of a game.

    Raises:
        PositionError: naming the place, the value and what would be right.
    """
    given = schema.read_dict(position, "", (*schema.PROGRESS, *schema.STRUCTURES))
    plain = {key: value for key, value in given.items() if key in schema.PROGRESS}
    progress = schema.read_record(plain, "", schema.PROGRESS)
    player = schema.read_record(given.get("player", {}), "player", schema.PLAYER)
    exit_row, exit_col = schema.read_cell(given.get("exit", [GRID_SIZE - 1, GRID_SIZE - 1]), "exit")
    enemies = _read_slots(given.get("enemies", []), "enemies", schema.ENEMY, _enemy_word)
    transmissions = _read_slots(
        given.get("transmissions", []), "transmissions", schema.TRANSMISSION, _transmission_word
    )
    return EnvState(
        player=Player(**_arrays(player)),
        exit_row=jnp.int32(exit_row),
        exit_col=jnp.int32(exit_col),
        owned_programs=jnp.uint32(_read_programs(given.get("programs", []))),
        enemies=Enemies(enemies),
        transmissions=Transmissions(transmissions),
        cells=Cells(_read_cells(given)),
        **_arrays(progress),
    )


def state_to_dict(state: EnvState) -> Position:
    """Every key of the position of one game.

    Raises:
        PositionError: the state is batched.
    """
    state = jax.device_get(one_game(state))
    progress = {
        key: bool(getattr(state, key)) if isinstance(spec, schema.Truth) else int(getattr(state, key))
        for key, spec in schema.PROGRESS.items()
    }
    owned = int(state.owned_programs)
    return {
        "player": {key: int(getattr(state.player, key)) for key in schema.PLAYER},
        "exit": [int(state.exit_row), int(state.exit_col)],
        "programs": [FIRST_PROGRAM + number for number in range(NUM_PROGRAMS) if owned >> number & 1],
        **progress,
        "enemies": [
            {key: _named(key, values[key]) for key in schema.ENEMY}
            for values in _taken_slots(Enemies, state.enemies.word)
        ],
        "transmissions": [
            {key: _named(key, values[key]) for key in schema.TRANSMISSION}
            for values in _taken_slots(Transmissions, state.transmissions.word)
        ],
        **_write_cells(state.cells),
    }


def one_game(state: EnvState) -> EnvState:
    """The state itself, or `PositionError` if it holds a batch of games."""
    if jnp.ndim(state.turn) != 0:
        raise PositionError(
            f"the state holds games of shape {jnp.shape(state.turn)}, expected one game; "
            "index one out of the batch first: jax.tree.map(lambda leaf: leaf[0], state)"
        )
    return state


def _arrays(values: Mapping[str, Any]) -> dict[str, Array]:
    """Flags as bool (), numbers as int32 ()."""
    return {
        key: jnp.asarray(value, bool if isinstance(value, bool) else jnp.int32)
        for key, value in values.items()
    }


def _read_programs(value: Any) -> int:
    """The owned programs as bits, from their action numbers."""
    bits = 0
    for index, action in enumerate(schema.read_list(value, "programs")):
        place = f"programs[{index}]"
        bit = 1 << (schema.PROGRAM_ACTION.read(action, place) - FIRST_PROGRAM)
        if bits & bit:
            raise PositionError(f"{place} is {action!r} for the second time, expected each program once")
        bits |= bit
    return bits


def _read_slots(
    value: Any, place: str, spec: Mapping[str, schema.Spec], to_word: Callable[[dict[str, Any]], int]
) -> Array:
    """uint32 (20,): the members of a list, each in its slot."""
    members = schema.read_list(value, place)
    if len(members) > MAX_ENEMIES:
        raise PositionError(f"{place} has {len(members)} members, expected at most {MAX_ENEMIES}")
    records = [schema.read_record(member, f"{place}[{index}]", spec) for index, member in enumerate(members)]
    slotless = [index for index, record in enumerate(records) if record["slot"] is None]
    if slotless and len(slotless) < len(records):
        raise PositionError(f"{place}[{slotless[0]}] has no 'slot', expected one in all members or in none")
    words = np.zeros(MAX_ENEMIES, np.uint32)
    for index, record in enumerate(records):
        slot = index if record["slot"] is None else record["slot"]
        if words[slot]:
            raise PositionError(
                f"{place}[{index}].slot is {slot} for the second time, expected each slot once"
            )
        words[slot] = to_word(record)
    return jnp.asarray(words)


def _enemy_word(record: dict[str, Any]) -> int:
    enemy_type = ENEMY_TYPES.index(record["type"])
    hp = FULL_HP[enemy_type] if record["hp"] is None else record["hp"]
    return word_of(Enemies, {**record, "type": enemy_type, "hp": hp})


def _transmission_word(record: dict[str, Any]) -> int:
    return word_of(Transmissions, {**record, "enemy_type": ENEMY_TYPES.index(record["enemy_type"])})


def _read_cells(given: Position) -> Array:
    """uint32 (36,): blocks, resources and siphon centres together."""
    readers = {"blocks": _read_block, "resources": _read_resource, "siphon_centers": _read_center}
    words = np.zeros(NUM_CELLS, np.uint32)
    for part, read in readers.items():
        seen: set[Cell] = set()
        for index, member in enumerate(schema.read_list(given.get(part, []), part)):
            place = f"{part}[{index}]"
            (row, col), fields = read(member, place)
            if (row, col) in seen:
                raise PositionError(f"{place} is the second on [{row}, {col}], expected one per cell")
            seen.add((row, col))
            words[row * GRID_SIZE + col] |= np.uint32(word_of(Cells, fields))
    return jnp.asarray(words)


def _read_block(member: Any, place: str) -> tuple[Cell, dict[str, int]]:
    known = schema.read_dict(member, place, {**schema.DATA_BLOCK, **schema.PROGRAM_BLOCK})
    kind = schema.BLOCK_KIND.read(known["kind"], f"{place}.kind") if "kind" in known else None
    if kind == "program":
        record = schema.read_record(member, place, schema.PROGRAM_BLOCK)
        content = FIRST_PROGRAM_CONTENT + record["program"] - FIRST_PROGRAM
        spawns = PROGRAM_SPAWNS
    else:
        record = schema.read_record(member, place, schema.DATA_BLOCK)
        content = FIRST_DATA_CONTENT + record["points"]
        spawns = record["points"]
    return (record["row"], record["col"]), {
        "content": content,
        "spawn_count": spawns if record["spawn_count"] is None else record["spawn_count"],
        "siphoned": record["siphoned"],
    }


def _read_resource(member: Any, place: str) -> tuple[Cell, dict[str, int]]:
    record = schema.read_record(member, place, schema.RESOURCE)
    return (record["row"], record["col"]), {key: record[key] for key in ("credits", "energy", "data_siphon")}


def _read_center(member: Any, place: str) -> tuple[Cell, dict[str, int]]:
    return schema.read_cell(member, place), {"siphon_center": True}


def _taken_slots(layout: type[Enemies] | type[Transmissions], words: Any) -> list[dict[str, Any]]:
    """The fields of the slots that are taken, in slot order, each with its slot."""
    return [{**values_of(layout, int(word)), "slot": slot} for slot, word in enumerate(words) if word]


def _named(key: str, value: int | bool) -> int | bool | str:  # noqa: FBT001 - the value may be a flag
    return ENEMY_TYPES[value] if key in ("type", "enemy_type") else value


def _write_cells(cells: Cells) -> dict[str, list[Any]]:
    """`blocks`, `resources` and `siphon_centers`, in row-major order."""
    blocks: list[Any] = []
    resources: list[Any] = []
    centers: list[Any] = []
    for index, word in enumerate(cells.word):
        row, col = divmod(index, GRID_SIZE)
        values = values_of(Cells, int(word))
        if values["content"]:
            blocks.append({"row": row, "col": col, **_block(values)})
        pickups = {key: values[key] for key in ("credits", "energy", "data_siphon")}
        if any(pickups.values()):
            resources.append({"row": row, "col": col, **pickups})
        if values["siphon_center"]:
            centers.append([row, col])
    return {"blocks": blocks, "resources": resources, "siphon_centers": centers}


def _block(values: dict[str, Any]) -> dict[str, Any]:
    """Kind and figures of a block."""
    content = values["content"]
    if content >= FIRST_PROGRAM_CONTENT:
        kind = {"kind": "program", "program": FIRST_PROGRAM + content - FIRST_PROGRAM_CONTENT}
    else:
        kind = {"kind": "data", "points": content - FIRST_DATA_CONTENT}
    return {**kind, "spawn_count": values["spawn_count"], "siphoned": values["siphoned"]}
