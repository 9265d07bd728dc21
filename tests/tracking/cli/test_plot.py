"""``plot`` draws what the rows say: averaged, seeds together, as picture, page and text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture

np = pytest.importorskip("numpy", reason="the package numpy is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two seeds of one config and a run of another."""
    for name, lr, seed in (("a", 0.1, 0), ("b", 0.1, 1), ("c", 0.2, 0)):
        rows = [
            (
                step,
                {
                    "train/loss": (seed + 1) * step * lr,
                    "train/env_steps": 100 * step,
                    "eval/mean_episode_return": float(step),
                },
            )
            for step in range(10)
        ]
        write_run(tmp_path, rows, name=name, config={"lr": lr, "seed": seed})
    return tmp_path


def curves(command: Command, root: Path, *words: object) -> list[dict[str, Any]]:
    said = command("plot", "--root", root, "--json", *words)
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_the_interquartile_mean_leaves_out_the_best_and_the_worst_quarter() -> None:
    from hackmatrix.tracking.cli.curves import interquartile_mean

    values = np.asarray([[100.0, 1.0], [2.0, 1.0], [3.0, 1.0], [-50.0, 1.0]])
    mean, low, high = interquartile_mean(values)
    assert mean.tolist() == [2.5, 1.0]
    assert low[0] < 2.5 < high[0]
    assert (low[1], high[1]) == (1.0, 1.0)
    lost = values.copy()
    lost[0, 1] = np.nan
    assert np.isnan(interquartile_mean(lost)[0]).tolist() == [False, True]


def test_seeds_may_be_one_curve_of_their_interquartile_mean(root: Path, command: Command) -> None:
    seeds, _ = curves(command, root, "a", "b", "c", "--metric", "loss", "--iqm")
    # Of two runs both are the middle.
    assert seeds["y"] == pytest.approx([1.5 * step * 0.1 for step in range(10)])


def test_seeds_of_one_config_are_one_curve_of_their_mean(root: Path, command: Command) -> None:
    seeds, other = curves(command, root, "a", "b", "c", "--metric", "loss")
    assert seeds["label"] == "lr=0.1 (2 runs)"
    assert seeds["y"] == pytest.approx([1.5 * step * 0.1 for step in range(10)])
    assert (other["label"], other["y"]) == ("c", pytest.approx([step * 0.2 for step in range(10)]))


def test_a_group_stands_for_its_runs(tmp_path: Path, command: Command) -> None:
    for seed in range(3):
        write_run(tmp_path, [(0, {"loss": float(seed)})], name=f"g-s{seed}", config={"seed": seed}, group="g")
    (curve,) = curves(command, tmp_path, "g", "--metric", "loss")
    assert (curve["label"], curve["y"]) == ("g (3 runs)", [1.0])


def test_each_run_can_stand_for_itself(root: Path, command: Command) -> None:
    assert [curve["label"] for curve in curves(command, root, "a", "b", "--metric", "loss", "--each")] == [
        "a",
        "b",
    ]


def test_without_a_metric_it_is_the_return(root: Path, command: Command) -> None:
    assert [curve["tag"] for curve in curves(command, root, "a")] == ["eval/mean_episode_return"]


def test_globs_match_tags_and_their_last_parts(root: Path, command: Command) -> None:
    for glob in ("train/loss", "loss", "*/loss", "l*"):
        assert [curve["tag"] for curve in curves(command, root, "a", "--metric", glob)] == ["train/loss"]
    assert len(curves(command, root, "a", "--metric", "*")) == 3


def test_x_may_be_env_steps_or_time(root: Path, command: Command) -> None:
    (curve,) = curves(command, root, "a", "--metric", "loss", "--x", "env_steps")
    assert curve["x"] == [100.0 * step for step in range(10)]
    (curve,) = curves(command, root, "a", "--metric", "loss", "--x", "time")
    assert curve["x"] == sorted(curve["x"])


def test_smoothing_is_the_mean_of_neighbours(root: Path, command: Command) -> None:
    (curve,) = curves(command, root, "a", "--metric", "loss", "--smooth", 3)
    y = np.arange(10) * 0.1
    assert curve["y"][1:-1] == pytest.approx(np.convolve(y, np.ones(3) / 3, "valid"))
    assert curve["y"][0] == pytest.approx(y[:2].mean())


def test_a_tag_that_begins_late_is_found_by_a_glob(tmp_path: Path, command: Command) -> None:
    rows = [(step, {"loss": 1.0, **({"rare/tag": 2.0} if step == 3000 else {})}) for step in range(6000)]
    write_run(tmp_path, rows, name="long")
    (curve,) = curves(command, tmp_path, "long", "--metric", "rare/*")
    assert (curve["x"], curve["y"]) == ([3000.0], [2.0])


def test_long_curves_keep_their_extremes(tmp_path: Path, command: Command) -> None:
    rows = [
        (step, {"loss": 100.0 if step == 7777 else -5.0 if step == 3333 else 0.0}) for step in range(10_000)
    ]
    write_run(tmp_path, rows, name="long")
    (curve,) = curves(command, tmp_path, "long")
    assert len(curve["x"]) <= 4000
    assert (max(curve["y"]), min(curve["y"])) == (100.0, -5.0)


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".html", b"<!doctype html>")]
)
def test_a_file_is_what_its_suffix_says(root: Path, command: Command, suffix: str, begins: bytes) -> None:
    if suffix != ".html":
        pytest.importorskip("matplotlib", reason="the package matplotlib is not installed")
    target = root / f"curves{suffix}"
    assert command("plot", "--root", root, "a", "b", "c", "--metric", "loss", "-o", target).code == 0
    assert target.read_bytes().startswith(begins)


def test_the_page_needs_no_other_file_and_nothing_in_it_ends_the_data(
    tmp_path: Path, command: Command
) -> None:
    write_run(
        tmp_path,
        [(step, {"</script><b>": float(step)}) for step in range(3)] + [(3, {"</script><b>": float("nan")})],
    )
    assert command("plot", "--root", tmp_path, "run", "-o", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", page)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    (chart,) = json.loads(data)["charts"]
    assert (chart["tag"], chart["curves"][0]["y"]) == ("</script><b>", [0.0, 1.0, 2.0, None])


def test_without_a_file_it_is_drawn_in_the_terminal(root: Path, command: Command) -> None:
    pytest.importorskip("plotext", reason="the package plotext is not installed")
    said = command("plot", "--root", root, "a")
    assert said.code == 0
    assert "eval/mean_episode_return" in said.out
    assert "\x1b" not in said.out


def test_without_colours_several_curves_have_marks_of_their_own(root: Path, command: Command) -> None:
    pytest.importorskip("plotext", reason="the package plotext is not installed")
    said = command("plot", "--root", root, "a", "b", "--each")
    assert "oo a" in said.out
    assert "xx b" in said.out


def test_seeds_have_a_band_in_the_terminal_and_in_json(root: Path, command: Command) -> None:
    pytest.importorskip("plotext", reason="the package plotext is not installed")
    seeds, other = curves(command, root, "a", "b", "c", "--metric", "loss")
    # Mean and deviation are 1.5 and 0.5.
    assert seeds["low"] == pytest.approx([step * 0.1 for step in range(10)])
    assert seeds["high"] == pytest.approx([2.0 * step * 0.1 for step in range(10)])
    assert "low" not in other
    assert "·" in command("plot", "--root", root, "a", "b", "--metric", "loss").out
    assert "·" not in command("plot", "--root", root, "a", "--metric", "loss").out


def test_what_a_person_named_is_no_formula_and_the_numbers_of_a_logarithmic_axis_are(
    tmp_path: Path, command: Command
) -> None:
    pytest.importorskip("matplotlib", reason="the package matplotlib is not installed")
    for seed in range(2):
        config = {"price": "$x_1$", "seed": seed}
        write_run(tmp_path, [(x, {"$x^2$": 10.0**-x}) for x in range(4)], name=f"s{seed}", config=config)
    write_run(tmp_path, [(0, {"$x^2$": 1.0})], name="other", config={"price": "none"})
    words = ["s0", "s1", "other", "--metric", "*", "--log-y", "-o", tmp_path / "x.SVG"]
    assert command("plot", "--root", tmp_path, *words).code == 0
    picture = (tmp_path / "x.SVG").read_text()
    texts = [re.sub("<.*?>", "", text).strip() for text in re.findall(r"(?s)<text.*?</text>", picture)]
    assert [text for text in texts if "$" in text] == ["$x^2$", "price=$x_1$ (2 runs)"]


def labels(command: Command, root: Path, *words: object) -> list[str]:
    return [curve["label"] for curve in curves(command, root, *words)]


def test_no_two_curves_have_one_label(tmp_path: Path, command: Command) -> None:
    for name, config in {"w": (1, 1, 1, 1), "x": (2, 2, 2, 2), "y": (2, 2, 2, 3)}.items():
        for seed in range(2):
            values = dict(zip("abcd", config, strict=True), seed=seed)
            write_run(tmp_path, [(1, {"loss": 1.0})], name=f"{name}{seed}", config=values)
    assert labels(command, tmp_path, "w0", "w1", "x0", "x1") == [
        "a=1, b=1, c=1 (2 runs)",
        "a=2, b=2, c=2 (2 runs)",
    ]
    assert labels(command, tmp_path, "x0", "x1", "y0", "y1") == ["d=2 (2 runs)", "d=3 (2 runs)"]
    assert labels(command, tmp_path, "w0", "w1", "x0", "x1", "y0", "y1") == [
        "a=1, b=1, c=1, d=1 (2 runs)",
        "a=2, b=2, c=2, d=2 (2 runs)",
        "a=2, b=2, c=2, d=3 (2 runs)",
    ]


def test_two_folders_with_one_name_are_told_apart_and_one_run_given_twice_is_one(
    tmp_path: Path, command: Command
) -> None:
    for index, root in enumerate(("one", "two")):
        write_run(tmp_path / root, [(1, {"loss": 1.0})], name="same", config={"lr": index})
    one, two = tmp_path / "one" / "same", tmp_path / "two" / "same"
    assert labels(command, tmp_path, one, two) == [f"same in {one}", f"same in {two}"]
    assert labels(command, tmp_path / "one", one, "same") == ["same"]


def test_a_group_has_one_label_in_every_chart_and_not_that_of_its_first_seed(
    tmp_path: Path, command: Command
) -> None:
    for seed in range(3):
        rows = [(1, {"loss": 1.0, **({"eval/return": 1.0} if seed else {})})]
        write_run(tmp_path, rows, name=f"s{seed}", config={"lr": 0.1, "seed": seed}, group="sweep")
    write_run(tmp_path, [(1, {"loss": 1.0})], name="other", config={"lr": 0.2})
    found = curves(command, tmp_path, "s0", "s1", "s2", "other", "--metric", "loss", "--metric", "return")
    assert [(curve["tag"], curve["label"]) for curve in found] == [
        ("loss", "lr=0.1 (3 runs)"),
        ("loss", "other"),
        ("eval/return", "lr=0.1 (3 runs)"),
    ]
    assert labels(command, tmp_path, "s0", "s1", "s2", "--metric", "loss") == ["sweep (3 runs)"]


def test_a_damaged_line_is_told_with_what_to_do(root: Path, command: Command) -> None:
    for damaged in (b"{]\n", b'{"loss": 1}\n'):
        journal = root / "a" / "metrics.jsonl"
        journal.write_bytes(journal.read_bytes() + damaged)
        for words in (["--metric", "loss"], ["--metric", "*"], []):
            said = command("plot", "--root", root, "a", *words)
            assert (said.code, "see hackmatrix-runs verify" in said.err) == (2, True)


def test_values_that_cannot_be_drawn_are_told(root: Path, command: Command) -> None:
    pytest.importorskip("plotext", reason="the package plotext is not installed")
    write_run(root, [(1, {"loss": float("nan"), "gain": -1.0})], name="lost")
    said = command("plot", "--root", root, "lost", "--metric", "loss")
    assert (said.code, said.err) == (
        0,
        "warning: nothing to draw of loss for lost: no value is finite\n",
    )
    said = command("plot", "--root", root, "lost", "--metric", "gain", "--log-y", "--json")
    assert "no value is finite or above 0" in said.err
    assert command("plot", "--root", root, "lost", "--metric", "gain").err == ""


def test_what_a_terminal_would_obey_is_escaped(root: Path, command: Command) -> None:
    pytest.importorskip("plotext", reason="the package plotext is not installed")
    write_run(root, [(1, {"red\x9b31m": 1.0})], name="red")
    assert "red\\x9b31m" in command("plot", "--root", root, "red").out
    assert "red\\x9b31m" in command("plot", "--root", root, "red", "--metric", "x").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "--metric", "nowhere"], "there are: "),
        (["a", "-o", "x.gif"], ".png, .svg, .html"),
        (["a", "-o", "nowhere/x.png"], "there is no folder"),
        (["aa"], "did you mean 'a'"),
        (["empty"], "nothing was logged yet by empty"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(
    root: Path, command: Command, words: list[str], told: str
) -> None:
    write_run(root, [], name="empty")
    said = command("plot", "--root", root, *words)
    assert said.code == 2
    assert told in said.err
