"""How a process leaves when another one is gone."""

import threading

import pytest

pytest.importorskip("flax", reason="needs hackmatrix[train]")


class LeftError(Exception):
    """Instead of the end of this process."""


@pytest.mark.parametrize(
    ("lost", "code", "order"), [("process 1 went away", 3, ["farewell", "left"]), (None, 1, ["left"])]
)
def test_it_says_goodbye_to_the_others_only_where_one_of_them_is_gone(
    lost: str | None,
    code: int,
    order: list[str],
    scripts_on_path: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import ending

    done: list[str] = []

    def leave(number: int) -> None:
        done.append("left")
        assert number == code
        raise LeftError

    monkeypatch.setattr(ending, "_leaving", threading.Lock())
    monkeypatch.setattr(ending, "farewell", lambda: done.append("farewell"))
    monkeypatch.setattr(ending.os, "_exit", leave)
    with pytest.raises(LeftError):
        ending.leave(lost)
    assert done == order
    assert (f"error: {lost}" in capsys.readouterr().err) == (lost is not None)
