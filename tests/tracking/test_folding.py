"""A step's rows become one, however the journal is cut into reads and flushes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.folding import StepReader, count_steps_after
from hackmatrix.tracking.lines import encode_rows
from hackmatrix.tracking.protocol import Row


def _rows(calls: list[tuple[int, set[str]]]) -> list[Row]:
    rows: list[Row] = []
    step, said = 0, set[str]()
    for rise, tags in calls:
        step, said = step + rise, said if rise == 0 else set()
        fresh = sorted(tags - said)
        said = said | tags
        rows.append(Row(step, 1.0, 0.5, {tag: len(rows) + 0.5 for tag in fresh}))
    return rows


# Steps and tags as ``log`` admits them: rising, each tag once in a step.
histories = st.lists(
    st.tuples(st.integers(0, 2), st.sets(st.sampled_from("abcd"))), max_size=14
).map(_rows)  # fmt: skip


def folded(rows: list[Row], after: int | None) -> dict[int, dict[str, float]]:
    steps: dict[int, dict[str, float]] = {}
    for row in rows:
        if after is None or row.step > after:
            steps.setdefault(row.step, {}).update(row.metrics)
    return steps


@given(
    histories,
    st.lists(st.tuples(st.integers(0, 1 << 12), st.booleans()), max_size=8),
    st.one_of(st.none(), st.integers(0, 8)),
)
def test_any_cutting_gives_each_tag_of_a_step_once(
    rows: list[Row], reads: list[tuple[int, bool]], after: int | None
) -> None:
    lines = [encode_rows([row]) for row in rows]
    ends = [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    with TemporaryDirectory() as name:
        path = Path(name) / "metrics.jsonl"
        path.write_bytes(b"".join(lines))
        reader = StepReader(path, after)
        given_out: list[Row] = []
        for place, flush in sorted((place % len(ends), flush) for place, flush in reads):
            for batch in reader.read(ends[place]):
                assert batch
                given_out += batch
            assert reader.offset == ends[place]
            part = reader.part() if flush else None
            if part is not None:
                assert not part.whole
                given_out.append(part)
        for batch in reader.read(ends[-1]):
            given_out += batch
        last = reader.last()
        given_out += [] if last is None else [last]
        expected = folded(rows, after)
        assert count_steps_after(path, ends[-1], after) == len(expected)
    found: dict[int, dict[str, float]] = {}
    for row in given_out:
        assert row.step >= max(found, default=0), "steps fall"
        held = found.setdefault(row.step, {})
        assert not held.keys() & row.metrics.keys(), f"step {row.step} has a tag twice"
        held.update(row.metrics)
    assert found == expected
    wholes = [row.step for row in given_out if row.whole]
    assert len(wholes) == len(set(wholes)), "a step is whole twice"


def test_a_step_is_whole_when_a_larger_one_stands_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(encode_rows([Row(1, 1.0, 0.0, {"a": 1}), Row(1, 2.0, 0.0, {"b": 2})]))
    reader = StepReader(path, None)
    assert list(reader.read(path.stat().st_size)) == []
    assert reader.newest_step == 1
    with path.open("ab") as file:
        file.write(encode_rows([Row(2, 3.0, 0.0, {"a": 3})]))
    assert list(reader.read(path.stat().st_size)) == [[Row(1, 2.0, 0.0, {"a": 1, "b": 2})]]


def test_a_torn_line_is_left_for_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    data = encode_rows([Row(step, 1.0, 0.0, {"a": step}) for step in range(4)])
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        reader = StepReader(path, None)
        rows = [row for batch in reader.read(cut) for row in batch]
        path.write_bytes(data)
        rows += [row for batch in reader.read(len(data)) for row in batch]
        assert [row.step for row in rows] == [0, 1, 2]


def test_many_rows_come_in_lists_of_bounded_length(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(encode_rows([Row(step, 1.0, 0.0, {}) for step in range(10_000)]))
    batches = list(StepReader(path, None).read(path.stat().st_size))
    assert sum(map(len, batches)) == 9999
    assert max(map(len, batches)) < 5000
