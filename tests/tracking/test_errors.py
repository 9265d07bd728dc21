"""Every public error, provoked: its message names the value, what was expected, and what to do next."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import hackmatrix.tracking
from hackmatrix.tracking import (
    BackendOptionError,
    BackendSetupError,
    BackendUnreachableError,
    ConfigMismatchError,
    ConfigValueError,
    DamagedCheckpointError,
    InvalidArgumentError,
    InvalidNameError,
    InvalidTagError,
    MetricValueError,
    MissingPackageError,
    RunConflictError,
    RunExistsError,
    RunFolderError,
    RunInUseError,
    RunNotFoundError,
    StepOrderError,
    Tracker,
    TrackerClosedError,
    TrackingError,
    UnknownBackendError,
    errors,
    find_run,
    open_tracker,
    parse_options,
    read_run,
    registry,
)


class Provoked(NamedTuple):
    """A mistake, and what its message must say."""

    kind: type[TrackingError]
    mistake: Callable[[Path], object]
    value: str
    expected: str
    action: str


def no_answer(*_: object) -> None:
    raise OSError("connection refused")


class Away:
    """A backend whose place does not answer."""

    precision = "float64"
    url = None
    open = discard_after = write = flush = close = find = taken = no_answer


def opened(root: Path, **more: object) -> Tracker:
    return open_tracker("jsonl", name="one", root=root, **more)


def logging_to(*calls: Callable[[Tracker], object]) -> Callable[[Path], None]:
    """A mistake in what is logged: the last call."""

    def mistake(root: Path) -> None:
        with opened(root) as tracker:
            for call in calls:
                call(tracker)

    return mistake


def needs_numpy(_: Tracker) -> None:
    pytest.importorskip("numpy", reason="the package numpy is not installed")


def log(metrics: object, step: object) -> Callable[[Tracker], None]:
    return lambda tracker: tracker.log(metrics, step=step)


def twice(root: Path, first: dict[str, object], second: dict[str, object]) -> None:
    opened(root, **first).finish()
    opened(root, **second)


def another_name_than_found(root: Path) -> None:
    opened(root).finish()
    open_tracker("jsonl", name="two", root=root, resume=find_run("one", root=root))


def while_it_is_open(root: Path) -> None:
    with opened(root):
        opened(root)


def after_the_end(root: Path) -> None:
    tracker = opened(root)
    tracker.finish()
    tracker.log({"a": 1.0}, step=0)


@contextmanager
def registered(backend: type) -> Iterator[None]:
    with registry.replaced("strange", backend):
        yield


def find_where_nobody_answers(root: Path) -> None:
    with registered(Away):
        find_run("one", root=root, backends="strange")


def open_half_a_backend(root: Path) -> None:
    with registered(type("Half", (), {"open": no_answer})):
        open_tracker("strange", root=root)


def without_its_package(root: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "wandb", None)
        patch.delitem(registry._registered, "wandb", raising=False)
        open_tracker("wandb", root=root)


def saved_in_a_mirror(root: Path) -> dict[str, dict[str, str]]:
    pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
    options = {"mirror": {"path": str(root / "mirror")}}
    with open_tracker("mirror", name="one", root=root / "a", options=options) as tracker:
        tracker.log({"a": 1.0}, step=7)
        saved = tracker.run.folder / "checkpoints" / "tmp-state"
        saved.mkdir(parents=True)
        (saved / "state.txt").write_text("7")
        tracker.log_artifact(saved, name="checkpoint", step=7, with_journal=True)
    return options


def another_run_in_the_mirror(root: Path) -> None:
    options = saved_in_a_mirror(root)
    open_tracker("mirror", name="one", root=root / "b", options=options)


def a_checkpoint_that_was_not_fetched(root: Path) -> None:
    saved_in_a_mirror(root)
    shutil.rmtree(root / "a")
    found = find_run("one", root=root / "a", mirror=str(root / "mirror"))
    open_tracker("jsonl", resume=found, root=root / "a")


def below_a_file(root: Path) -> None:
    (root / "file").touch()
    opened(root / "file")


def a_torn_identity(root: Path) -> None:
    (root / "one").mkdir()
    (root / "one" / "run.json").write_text('{"name": ')
    read_run("one", root)


PROVOKED = (
    Provoked(
        InvalidNameError, lambda root: open_tracker(name="a/b", root=root), "'a/b'", "allowed are", "letters"
    ),
    Provoked(
        InvalidNameError,
        lambda root: open_tracker(name="x" * 101, root=root),
        "101",
        "at most 100",
        "allowed",
    ),
    Provoked(InvalidNameError, another_name_than_found, "'two'", "the run 'one'", "leave the name out"),
    Provoked(InvalidTagError, logging_to(log({"_loss": 1.0}, 0)), "'_loss'", "begins with '_'", "rename it"),
    Provoked(InvalidTagError, logging_to(log({3: 1.0}, 0)), "int", "expected a str", "'train/loss'"),
    Provoked(
        MetricValueError, logging_to(log({"a": "high"}, 0)), "'high'", "expected one number", "log_text"
    ),
    Provoked(
        MetricValueError, logging_to(log({"a": None}, 0)), "None", "expected one number", "leave the tag out"
    ),
    Provoked(
        MetricValueError, logging_to(log({"a": [1, 2]}, 0)), "list", "expected one number", "reduce it first"
    ),
    Provoked(
        MetricValueError,
        logging_to(lambda tracker: tracker.log_series({"a": [1.0, 2.0]}, steps=[0])),
        "(2,)",
        "expected (1,)",
        "one value for each step",
    ),
    Provoked(
        MetricValueError,
        logging_to(lambda tracker: tracker.log_series([[1.0, 2.0]], steps=[0])),
        "list",
        "expected a mapping",
        "tags=[...]",
    ),
    Provoked(
        MetricValueError,
        logging_to(needs_numpy, lambda tracker: tracker.log_histogram("h", ["a"], step=0)),
        "'h' is ['a']",
        "expected an array of numbers",
        "leave out",
    ),
    Provoked(
        MetricValueError,
        logging_to(needs_numpy, lambda tracker: tracker.log_histogram("h", None, step=0)),
        "'h' is None",
        "expected an array of numbers",
        "leave out",
    ),
    Provoked(
        MetricValueError,
        logging_to(needs_numpy, lambda tracker: tracker.log_histogram("h", [1], step=0, edges=[1.0, 0.0])),
        "'h' are array([1., 0.])",
        "finite ones that rise",
        "give",
    ),
    Provoked(
        InvalidArgumentError, lambda root: opened(root, resume="nevr"), "'nevr'", "'never' or 'allow'", "give"
    ),
    Provoked(
        InvalidArgumentError,
        logging_to(lambda tracker: tracker.finish("done")),
        "'done'",
        "'finished' or 'failed'",
        "give",
    ),
    Provoked(InvalidArgumentError, lambda root: opened(root, tags="ppo"), "'ppo'", "expected a list", "['"),
    Provoked(
        InvalidArgumentError,
        lambda root: opened(root, notes=3),
        "notes is 3",
        "expected a text",
        "give a str",
    ),
    Provoked(
        InvalidArgumentError,
        lambda root: opened(root, process_index="0"),
        "'0'",
        "expected an integer >= 0",
        "int(os.environ",
    ),
    Provoked(
        InvalidArgumentError,
        lambda root: opened(root, process_index=-1),
        "is -1",
        "expected an integer >= 0",
        "count from 0",
    ),
    Provoked(
        InvalidArgumentError,
        lambda root: opened(root, required=["wandb"]),
        "'wandb'",
        "opened are jsonl",
        "open it, too",
    ),
    Provoked(
        InvalidArgumentError,
        lambda _: open_tracker("jsonl", root=None),
        "root is None",
        "what backends take",
        "give a folder",
    ),
    Provoked(
        InvalidArgumentError, lambda _: find_run(None), "name_or_id is None", "a name, an id", "give a name"
    ),
    Provoked(ConfigValueError, lambda root: opened(root, config=3), "int", "expected a dict", "dataclass"),
    Provoked(
        ConfigValueError,
        lambda root: opened(root, config={"act": object()}),
        "'act'",
        "a number, a text",
        "give",
    ),
    Provoked(
        StepOrderError, logging_to(log({"a": 1.0}, 5), log({"a": 1.0}, 4)), "step 4", "never fall", "log 5 or"
    ),
    Provoked(
        StepOrderError,
        logging_to(log({"a": 1.0}, 5), log({"a": 1.0}, 5)),
        "step 5",
        "once per step",
        "raise the step",
    ),
    Provoked(
        StepOrderError, logging_to(log({"a": 1.0}, -1)), "-1", "expected an integer >= 0", "count from 0"
    ),
    Provoked(
        StepOrderError,
        logging_to(log({"a": 1.0}, 1.5)),
        "1.5",
        "expected an integer >= 0",
        "finished updates",
    ),
    Provoked(TrackerClosedError, after_the_end, "'one'", "was finished", "open a new one"),
    Provoked(
        UnknownBackendError,
        lambda root: open_tracker("jsonk", root=root),
        "'jsonk'",
        "Known:",
        "Did you mean",
    ),
    Provoked(
        UnknownBackendError, lambda root: open_tracker("jsonl,jsonl", root=root), "jsonl", "twice", "once"
    ),
    Provoked(MissingPackageError, without_its_package, "'wandb'", "needs the package", "pip install"),
    Provoked(
        BackendOptionError,
        lambda root: opened(root, options={"jsonl": {"fsnc": 1}}),
        "'fsnc'",
        "Known: fsync",
        "Did you mean 'fsync'",
    ),
    Provoked(
        BackendOptionError,
        lambda root: opened(root, options={"jsonl": {"fsync": "often"}}),
        "'often'",
        "expected",
        "'never' or 'second' or 'always'",
    ),
    Provoked(
        BackendOptionError,
        lambda root: opened(root, options={"wandb": {"mode": "offline"}}),
        "'wandb'",
        "In use: jsonl",
        "leave its options out",
    ),
    Provoked(
        BackendOptionError, lambda _: parse_options(["wandb"]), "'wandb'", "tracker.option=value", "write"
    ),
    Provoked(
        BackendSetupError,
        open_half_a_backend,
        "Half",
        "it lacks discard_after",
        "hackmatrix.tracking.Backend",
    ),
    Provoked(BackendUnreachableError, find_where_nobody_answers, "'one'", "could not be asked", "try again"),
    Provoked(RunConflictError, another_run_in_the_mirror, "'one'", "another run", "choose another name"),
    Provoked(
        RunNotFoundError, lambda root: read_run("one", root), "'one'", "run's folder", "give the folder"
    ),
    Provoked(
        RunNotFoundError,
        lambda root: opened(root, resume="must"),
        "'one'",
        "there is no run",
        "without resume='must'",
    ),
    Provoked(
        RunNotFoundError,
        lambda root: open_tracker("jsonl", root=root, resume="must"),
        "'must'",
        "no run is named",
        "give name=",
    ),
    Provoked(
        RunExistsError,
        lambda root: twice(root, {}, {"resume": "never"}),
        "'one'",
        "exists in",
        "choose another",
    ),
    Provoked(RunInUseError, while_it_is_open, "one'", "is being written by process", "wait for it, stop it"),
    Provoked(
        ConfigMismatchError,
        lambda root: twice(root, {"config": {"lr": 0.5}}, {"config": {"lr": 0.25}}),
        "lr: 0.5 then, 0.25 now",
        "one config for ever",
        "fork the run",
    ),
    Provoked(RunFolderError, below_a_file, "file'", "cannot be written", "give a folder"),
    Provoked(RunFolderError, a_torn_identity, "run.json", "cannot be read", "restore it or move it away"),
    Provoked(
        DamagedCheckpointError,
        a_checkpoint_that_was_not_fetched,
        "'one'",
        "checkpoint 7",
        "fetch_checkpoint()",
    ),
)


@pytest.mark.parametrize(
    "case", PROVOKED, ids=lambda case: f"{case.kind.__name__}-{case.action.replace(' ', '-')}"
)
def test_a_message_names_the_value_what_was_expected_and_what_to_do(case: Provoked, tmp_path: Path) -> None:
    with pytest.raises(case.kind) as caught:
        case.mistake(tmp_path)
    said = str(caught.value)
    assert type(caught.value) is case.kind
    for part in (case.value, case.expected, case.action):
        assert part in said, said
    assert "\n" not in said


def leaves(kind: type[TrackingError]) -> set[type[TrackingError]]:
    below = kind.__subclasses__()
    return set().union(*map(leaves, below)) if below else {kind}


def test_every_error_is_provoked_above() -> None:
    public = {kind for kind in leaves(TrackingError) if kind.__module__ == errors.__name__}
    assert {case.kind for case in PROVOKED} == public


def test_every_error_is_public_and_a_builtin_too() -> None:
    for kind in leaves(TrackingError):
        if kind.__module__ != errors.__name__:
            continue
        assert kind.__name__ in hackmatrix.tracking.__all__
        others = [base for base in kind.__bases__ if base is not TrackingError]
        assert [base.__module__ for base in others] == ["builtins"], kind
        (line,) = [line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in line]
        assert others[0].__name__ in line.split(), "the tree in the docstring names another builtin"


def test_each_error_is_caught_as_the_builtin_that_a_caller_would_expect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a/b"):
        open_tracker(name="a/b", root=tmp_path)
    with pytest.raises(LookupError, match="one"):
        read_run("one", tmp_path)
    with pytest.raises(OSError, match="file"):
        below_a_file(tmp_path)
