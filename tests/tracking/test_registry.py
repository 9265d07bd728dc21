import subprocess
import sys

import pytest

from hackmatrix.tracking import registry
from hackmatrix.tracking.errors import (
    BackendOptionError,
    BackendSetupError,
    InvalidNameError,
    MissingPackageError,
    UnknownBackendError,
)
from hackmatrix.tracking.registry import (
    Entry,
    known_backends,
    load_backend,
    make_backend,
    register,
    tracker_names,
)


class Carrier:
    """A backend that keeps nothing."""

    precision = "float64"
    url = None

    def __init__(self, *, retries: int = 3):
        self.retries = retries

    def open(self, _run, _config):
        return None

    def discard_after(self, _step):
        return True

    def write(self, _rows):
        pass

    def flush(self, _timeout):
        pass

    def close(self, _status, _summary, _timeout):
        return None


MODULE = """
class Carrier:
    precision, url = "float64", None
    def __init__(self, *, retries: int = 3): self.retries = retries
    def open(self, _run, _config): return None
    def discard_after(self, _step): return True
    def write(self, rows): pass
    def flush(self, timeout): pass
    def close(self, status, summary, timeout): return None
"""


@pytest.fixture(autouse=True)
def forget_what_a_test_registers(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package of one module offering trackers, for this test."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package, source, entry_points):
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {target}\n" for name, target in entry_points.items())
        (info / "entry_points.txt").write_text(f"[hackmatrix.trackers]\n{lines}")

    yield install
    for name in ("stranger_one", "stranger_two"):
        sys.modules.pop(name, None)


def test_the_known_names_are_sorted():
    assert known_backends() == tuple(sorted(known_backends()))
    assert {"jsonl", "null", "tensorboard", "wandb"} <= set(known_backends())


def test_an_unknown_name_gets_the_nearest_and_the_known():
    with pytest.raises(UnknownBackendError) as caught:
        load_backend("tensorbord")
    assert str(caught.value) == (
        "no tracker named 'tensorbord'. Did you mean 'tensorboard'? Known: jsonl, mirror, null, tensorboard, wandb."
    )
    with pytest.raises(UnknownBackendError) as caught:
        make_backend("zzz")
    assert str(caught.value) == "no tracker named 'zzz'. Known: jsonl, mirror, null, tensorboard, wandb."


@pytest.mark.parametrize("word", ["jsonl", "null"])
def test_a_word_of_open_tracker_is_no_backend(word):
    with pytest.raises(UnknownBackendError, match="a word of open_tracker"):
        load_backend(word)


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingPackageError) as caught:
        load_backend("wandb")
    assert str(caught.value) == "tracker 'wandb' needs the package 'wandb': pip install 'hackmatrix[wandb]'"
    assert caught.value.name == "wandb"


def test_a_folder_of_the_packages_name_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "left_by_a_run").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry._entries, "left", Entry("x:Y", extra="left", packages=("left_by_a_run",)))
    with pytest.raises(MissingPackageError, match="left_by_a_run"):
        load_backend("left")


def test_a_missing_module_inside_a_backend_is_not_taken_for_its_package(install):
    install("stranger_one", "import no_such_module_anywhere", {"mine": "stranger_one:Carrier"})
    with pytest.raises(ModuleNotFoundError) as caught:
        load_backend("mine")
    assert not isinstance(caught.value, MissingPackageError)
    assert caught.value.name == "no_such_module_anywhere"


def test_another_package_joins_through_its_entry_point(install):
    install("stranger_one", MODULE, {"mine": "stranger_one:Carrier"})
    assert "mine" in known_backends()
    assert make_backend("mine", {"retries": "5"}).retries == 5
    assert "stranger_one" in sys.modules


def test_entry_points_are_read_for_an_unknown_name_only():
    code = (
        "import sys; from hackmatrix.tracking.registry import load_backend, register\n"
        f"{MODULE}\nregister('mine')(Carrier); load_backend('mine')\n"
        "print('importlib.metadata' in sys.modules)\n"
        "try: load_backend('yours')\n"
        "except ValueError: print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_name_that_two_packages_offer_is_refused(install):
    install("stranger_one", MODULE, {"mine": "stranger_one:Carrier"})
    install("stranger_two", MODULE, {"mine": "stranger_two:Carrier"})
    with pytest.raises(BackendSetupError, match="stranger_one:Carrier, stranger_two:Carrier; uninstall one"):
        load_backend("mine")


def test_a_class_is_registered_under_a_name():
    assert register("mine")(Carrier) is Carrier
    assert load_backend("mine") is Carrier
    assert make_backend("mine").retries == 3
    assert "mine" in known_backends()


def test_a_second_registration_under_one_name_is_an_error():
    class Other(Carrier):
        pass

    register("mine")(Carrier)
    register("mine")(Carrier)  # the same again is harmless
    with pytest.raises(InvalidNameError, match=r"'mine' is taken by .*Carrier; choose another"):
        register("mine")(Other)


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "jsonl", "null"])
def test_our_own_names_are_taken(name):
    with pytest.raises(InvalidNameError, match="taken by hackmatrix itself"):
        register(name)(Carrier)


@pytest.mark.parametrize("name", ["", "a,b", "a.b", "A", "a b", "a=b", None])
def test_a_name_that_no_list_of_names_could_hold_is_refused(name):
    with pytest.raises(InvalidNameError, match="small letters"):
        register(name)


def test_a_class_that_is_no_backend_is_refused():
    class Half:
        def write(self, rows):
            pass

    register("half")(Half)
    with pytest.raises(BackendSetupError, match="lacks open, discard_after, flush, close"):
        load_backend("half")
    register("object")(Carrier())
    with pytest.raises(BackendSetupError, match="expected a class"):
        load_backend("object")


def test_options_are_checked_before_the_backend_is_made():
    register("mine")(Carrier)
    with pytest.raises(BackendOptionError, match=r"Did you mean 'retries'\? Known: retries"):
        make_backend("mine", {"retrys": 3})


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("jsonl", ("jsonl",)),
        ("wandb,tensorboard", ("wandb", "tensorboard")),
        (" wandb , jsonl", ("wandb", "jsonl")),
        (["wandb", "mine"], ("wandb", "mine")),
        ("null", ("null",)),
    ],
)
def test_names_are_listed(given, names):
    assert tracker_names(given) == names


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "'' names no tracker; known: jsonl, mirror, null, tensorboard, wandb"),
        ("wandb,", "names no tracker"),
        ([], "names no tracker"),
        ([None], "expected names such as 'wandb,tensorboard'"),
        (5, "expected names such as"),
        ("wandb,jsonl,wandb", "names a tracker twice"),
        ("null,wandb", "'null' keeps nothing, so nothing stands beside it"),
    ],
)
def test_names_that_are_none_are_refused(given, message):
    with pytest.raises(UnknownBackendError) as caught:
        tracker_names(given)
    assert message in str(caught.value)


def test_importing_the_registry_imports_nothing_heavy():
    heavy = {"difflib", "importlib.metadata", "wandb", "tensorboardX", "numpy", "jax", "hashlib"}
    code = f"import sys, hackmatrix.tracking.registry; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []
