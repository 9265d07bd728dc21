"""Cells, distances, the look along a line and the walk around blocks (docs/game.md, sections 1, 5 and 14)."""

from collections import deque
from collections.abc import Iterator, Sequence

from .tables import SIZE, Cell


def sign(number: int) -> int:
    """-1, 0 or 1."""
    return (number > 0) - (number < 0)


def on_board(cell: Cell) -> bool:
    """Whether both numbers are in 0..5."""
    return 0 <= cell[0] < SIZE and 0 <= cell[1] < SIZE


def kept_on_board(cell: Cell) -> Cell:
    """The cell itself, or the nearest one on the board."""
    row, col = cell
    return min(max(row, 0), SIZE - 1), min(max(col, 0), SIZE - 1)


def steps_between(one: Cell, other: Cell) -> int:
    """|row difference| + |col difference|."""
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def are_adjacent(one: Cell, other: Cell) -> bool:
    """One step apart; diagonals are not."""
    return steps_between(one, other) == 1


def surrounds(one: Cell, other: Cell) -> bool:
    """Among the eight cells around the other."""
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) == 1


def cells_in_direction(start: Cell, direction: Cell) -> Iterator[Cell]:
    """The cells of a look: from the nearest to the edge of the board, without the start."""
    cell = (start[0] + direction[0], start[1] + direction[1])
    while on_board(cell):
        yield cell
        cell = (cell[0] + direction[0], cell[1] + direction[1])


def neighbours(cell: Cell) -> list[Cell]:
    """Up to four cells on the board, in the order up, down, left, right."""
    row, col = cell
    return [c for c in ((row + 1, col), (row - 1, col), (row, col - 1), (row, col + 1)) if on_board(c)]


def path_distance(
    row: int, col: int, target_row: int, target_col: int, blocked: Sequence[Sequence[bool]]
) -> int:
    """Fewest steps, -1 without a path; both ends count as free (docs/game.md, section 18)."""
    start, target = (row, col), (target_row, target_col)
    distance = {start: 0}
    waiting = deque([start])
    while waiting:
        cell = waiting.popleft()
        if cell == target:
            return distance[cell]
        for near in neighbours(cell):
            if near not in distance and (near == target or not blocked[near[0]][near[1]]):
                distance[near] = distance[cell] + 1
                waiting.append(near)
    return -1


def is_one_region(cells: Sequence[Cell]) -> bool:
    """Whether every cell can be reached from every other by single steps within them."""
    free = set(cells)
    seen = {cells[0]}
    waiting = [cells[0]]
    while waiting:
        for near in neighbours(waiting.pop()):
            if near in free and near not in seen:
                seen.add(near)
                waiting.append(near)
    return seen == free
