"""The documentation is built without a warning, names everything public, and its links lead somewhere."""

import ast
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import hackmatrix.tracking
from hackmatrix.tracking import TrackingError

ROOT = Path(__file__).parents[1]


FRONT_DOORS = ["tracking", "tracking.cli", "tracking.testing", "purejaxrl", "jax_env"]


def in_the_reference(room: str) -> set[str]:
    """Names of this room, and of those inside it, that stand in docs/api."""
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    return set(re.findall(rf"^::: {re.escape(room)}\.(?:\w+\.)*(\w+)$", text, re.MULTILINE))


def public_names(door: str) -> set[str]:
    """Its ``__all__``, read without importing what it imports."""
    tree = ast.parse((ROOT / door.replace(".", "/") / "__init__.py").read_text("utf-8"))
    assigned = {
        ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)
    }
    return set(ast.literal_eval(assigned["__all__"]))


def errors_among(names: set[str]) -> set[str]:
    """They stand in the reference as a whole module."""
    assert "errors" in in_the_reference("hackmatrix.tracking")
    things = {name: getattr(hackmatrix.tracking, name, None) for name in names}
    return {
        name for name, thing in things.items() if isinstance(thing, type) and issubclass(thing, TrackingError)
    }


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_every_public_name_is_in_the_reference(door: str) -> None:
    door = f"hackmatrix.{door}"
    public = public_names(door)
    lacking = public - errors_among(public) - in_the_reference(door)
    assert not lacking, f"docs/api lacks {sorted(lacking)}"


IMPORT = re.compile(r"^(?:>>> )?from (hackmatrix[\w.]*) import ([\w, ]+)$", re.MULTILINE)


def test_what_the_pages_import_is_in_the_reference() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for module, imported in IMPORT.findall(page.read_text("utf-8")):
            names = set(imported.split(", "))
            lacking = names - errors_among(names) - in_the_reference(module)
            assert not lacking, f"{page.name} imports {sorted(lacking)}, which docs/api lacks"


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")) and value:
                self.links.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="needs hackmatrix[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr, done.stderr
    return folder


def test_links_and_anchors_of_the_built_pages_lead_somewhere(site: Path) -> None:
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 20
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are those of a site at the root of a host
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            target, anchor = urldefrag(unquote(link))
            found = (path.parent / target).resolve() if target else path
            assert found.exists(), f"{path.name}: {link}"
            if anchor and found in pages:
                assert anchor in pages[found].anchors or anchor == "__top", f"{path.name}: {link}"


def test_the_reference_shows_arguments_and_errors(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "api" / "tracking.html").read_text("utf-8"))
    assert "process_index" in text
    assert "RunInUseError" in text
    assert "StepOrderError" in (site / "api" / "errors.html").read_text("utf-8")
    for page in (site / "api").glob("*.html"):  # which reads Markdown
        assert "<p>::" not in page.read_text("utf-8"), f"{page.name} shows a mark of another markup"
