"""The board as text."""

import jax
import jax.numpy as jnp
import pytest
from boards import data, enemy, player, program, transmission

from hackmatrix.jax_env import PositionError, render, state_from_dict

POSITION = {
    "player": player(2, 3, hp=2, credits=5, score=17),
    "stage": 4,
    "turn": 21,
    "programs": [5, 26],
    "show_activated": True,
    "exit": [5, 0],
    "enemies": [enemy("virus", 2, 3), enemy("cryptog", 0, 0, hp=1, stunned=True)],
    "transmissions": [transmission(4, 4, 3)],
    "blocks": [data(1, 1, 7), program(1, 2, 21), data(1, 3, 2, siphoned=True)],
    "resources": [
        {"row": 3, "col": 3, "credits": 2},
        {"row": 3, "col": 4, "energy": 1, "data_siphon": True},
    ],
    "siphon_centers": [[3, 5]],
}


def cell(text, row, col):
    """Both lines of a cell."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(f" {row} |"))
    return [line.split("|")[1 + col].strip() for line in lines[first : first + 2]]


@pytest.mark.parametrize(
    ("row", "col", "drawn"),
    [
        (2, 3, ["@ V2", ""]),
        (0, 0, ["C1z", ""]),
        (4, 4, ["?3", ""]),
        (1, 1, ["", "[7]"]),
        (1, 2, ["", "[D_BOM]"]),
        (1, 3, ["", "{2}"]),
        (3, 3, ["", "$2"]),
        (3, 4, ["", "+1 %"]),
        (5, 0, ["", ">"]),
        (3, 5, ["", "o"]),
        (5, 5, ["", ""]),
    ],
)
def test_a_cell(row, col, drawn):
    assert cell(render(state_from_dict(POSITION)), row, col) == drawn


def test_row_5_is_on_top_and_the_figures_above_it():
    lines = render(state_from_dict(POSITION)).splitlines()
    rows = [line[1] for line in lines if line[2:4] == " |" and line[1].isdigit()]
    assert rows == list("543210")
    for part in ("stage 4", "turn 21", "hp 2", "credits 5", "score 17", "(show_activated)",
                 "next_scheduled_task_turn 12"):  # fmt: skip
        assert part in lines[0]
    assert "programs: 5 PUSH, 26 ATK+" in lines


def test_all_lines_of_the_board_are_of_one_width_also_when_crowded():
    crowd = {"enemies": [enemy("daemon", 2, 2, stunned=True)] * 19 + [enemy("virus", 2, 2, disabled_turns=7)]}
    text = render(state_from_dict(crowd))
    board = [line for line in text.splitlines() if line.endswith(("|", "+"))]
    assert len({len(line) for line in board}) == 1
    assert cell(text, 2, 2)[0].endswith("~")
    assert "~ [2, 2]: " + "D3z " * 19 + "V2x7" in text.splitlines()


def test_what_lies_in_a_crowded_cell_is_told_too():
    ground = {"row": 2, "col": 2, "credits": 10, "energy": 20, "data_siphon": True}
    text = render(state_from_dict({"resources": [ground], "blocks": [program(2, 2, 21)], "exit": [2, 2]}))
    assert "~ [2, 2]: [D_BOM] $10 +20 % >" in text.splitlines()


@pytest.mark.parametrize(
    ("position", "drawn"),
    [({}, ""), ({"show_activated": True}, "C2"), ({"player": player(2, 5)}, "C2"), ({"player": player(5, 3)}, "C2")],
    ids=["hidden", "shown", "in the row", "in the column"],
)  # fmt: skip
def test_who_is_hidden_from_the_player_can_be_left_out(position, drawn):
    enemies = [enemy("daemon", 4, 4), enemy("cryptog", 2, 3)]
    state = state_from_dict({**position, "enemies": enemies})
    assert cell(render(state, only_visible=True), 2, 3) == [drawn, ""]
    assert cell(render(state, only_visible=True), 4, 4) == ["D3", ""]
    assert cell(render(state), 2, 3) == ["C2", ""]


def test_a_won_game_says_so():
    assert render(state_from_dict({"stage": 9})).startswith("won")


def test_a_batch_is_refused():
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf]), state_from_dict({}))
    with pytest.raises(PositionError, match="index one out"):
        render(batch)
