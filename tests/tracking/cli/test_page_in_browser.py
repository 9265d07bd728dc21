"""The page that ``plot -o x.html`` makes does in a real browser what it says: hover, legend, logarithmic axes.

HACKMATRIX_BROWSER is the path of Chromium or Chrome; the usual names are looked for without it.
"""

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking.cli.browser import Browser
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
PROGRAM = os.environ.get("HACKMATRIX_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.skipif("HACKMATRIX_LONG_CHECKS" not in os.environ, reason="HACKMATRIX_LONG_CHECKS=1"),
    pytest.mark.skipif(PROGRAM is None, reason="no browser is here; HACKMATRIX_BROWSER=PATH names one"),
]
LINES = 'figure path[fill="none"]'


@pytest.fixture
def page(tmp_path: Path, command: Command) -> Iterator[Browser]:
    """A curve that falls tenfold with each step, and two seeds at 2 and 4 as mean and band."""
    write_run(tmp_path, [(x, {"loss": 10.0**-x}) for x in range(9)], name="fall", config={"kind": "fall"})
    for seed, value in enumerate((2.0, 4.0)):
        config = {"kind": "flat", "seed": seed}
        write_run(tmp_path, [(x, {"loss": value}) for x in range(9)], name=f"flat{seed}", config=config)
    words = ["fall", "flat0", "flat1", "--root", tmp_path, "-o", tmp_path / "page.html"]
    assert command("plot", *words).code == 0
    assert PROGRAM is not None
    with Browser(PROGRAM, tmp_path / "profile") as browser:
        browser.open(tmp_path / "page.html")
        yield browser


def tip(page: Browser) -> list[str]:
    shown: str = page.evaluate(
        "(tip => tip.checkVisibility() ? tip.innerText : '')(document.querySelector('.tip'))"
    )
    return shown.splitlines()


def lines(page: Browser) -> list[list[float]]:
    """The heights of each line's points, in pixels from the top."""
    paths = page.evaluate(f"[...document.querySelectorAll('{LINES}')].map((line) => line.getAttribute('d'))")
    return [[float(y) for y in re.findall(r" ([\d.]+)", path)] for path in paths]


def ticks(page: Browser) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('svg text')].map((text) => text.textContent)"
    )
    return found


def test_the_values_under_the_mouse_are_shown_and_go_with_it(page: Browser) -> None:
    page.move_to("svg", across=0.53)
    assert tip(page) == ["step 4", "1e-4 fall", "3 ± 1 kind=flat (2 runs)"]
    page.move_to("h1")
    assert tip(page) == []


def test_a_click_on_the_legend_hides_a_curve_and_a_double_click_all_others(page: Browser) -> None:
    assert len(lines(page)) == 2
    page.click("#legend button:first-child")
    assert len(lines(page)) == 1
    page.move_to("svg", across=0.53)
    assert tip(page) == ["step 4", "3 ± 1 kind=flat (2 runs)"]
    page.click("#legend button:first-child")
    assert len(lines(page)) == 2
    page.click("#legend button:first-child", times=2)
    page.move_to("svg", across=0.53)
    assert tip(page) == ["step 4", "1e-4 fall"]


def test_on_a_logarithmic_axis_what_falls_tenfold_is_straight(page: Browser) -> None:
    assert not {"1e-4", "1e-6"} & set(ticks(page))
    page.click("#logy")
    assert {"1e-4", "1e-6"} <= set(ticks(page))
    fall, _ = lines(page)
    steps = [below - above for above, below in itertools.pairwise(fall)]
    assert steps == pytest.approx([steps[0]] * 8, abs=0.2)
    assert steps[0] > 10
    page.click("#logx")
    assert len(lines(page)[0]) == 8, "step 0 has no place on a logarithmic axis"
