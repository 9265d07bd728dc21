"""Several seeds in one program: a run each, of one group, that go on together."""

import json
import shutil
import time
from pathlib import Path

import pytest

from hackmatrix.tracking.testing import Case, expected_rows
from hackmatrix.tracking.testing.cases import compare, found_rows
from tests.scripts.conftest import Script, run_folders
from tests.scripts.test_command_line import rows_of, whole_run
from tests.scripts.test_killed_and_resumed import LONG  # whose program is compiled already
from tests.scripts.test_killed_and_resumed import UPDATES as LONG_UPDATES


def test_the_group_of_several_seeds_goes_on_together_and_one_of_them_alone(
    script: Script, tmp_path: Path
) -> None:
    command = (*LONG, "--resume-run", "auto", "--num-seeds", "2", "--seed", "7")
    process = script.start(*command)
    deadline = time.monotonic() + 120
    while len(list(script.runs.glob("*/checkpoints/step-60/manifest.json"))) < 2:  # a step that both have
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    alone = Script(tmp_path / "alone")
    shutil.copytree(script.home, alone.home)
    said = script.run(*command)
    folders = run_folders(script.runs)
    assert [folder.name[-3:] for folder in folders] == ["-s7", "-s8"]
    group = folders[0].name.removesuffix("-s7")
    for folder, seed in zip(folders, (7, 8), strict=True):
        identity = json.loads((folder / "run.json").read_text())
        assert (identity["group"], identity["config"]["seed"]) == (group, seed)
        assert [attempt["status"] for attempt in identity["attempts"]] == ["lost", "finished"]
        assert f"of {folder.name}" in said
        steps = [json.loads(line)["_step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert steps == list(range(3, LONG_UPDATES + 1, 3))
    assert "has finished already" in script.run(*command)

    one = folders[1].name
    assert "going on from update" in alone.run(*LONG, "--resume-run", one)
    last = f"checkpoints/step-{LONG_UPDATES}/state.safetensors"
    assert (folders[1] / last).read_bytes() == (alone.runs / one / last).read_bytes()
    assert f"{one[:-1]}7 is one of a group of 2" in script.run(
        *LONG, "--run-name", group, "--num-seeds", "3", "--seed", "7", code=2
    )


def test_each_seed_has_a_folder_of_its_own_in_tensorboard(script: Script) -> None:
    pytest.importorskip("tensorboardX", reason="the package tensorboardX is not installed")
    reader = pytest.importorskip("tests.tracking.tensorboard_reader", reason="tensorboard is not installed")
    case = Case(name="tensorboard", read=reader.read_events, precision="float32")
    script.run("--num-seeds", "2", "--total-timesteps", "1536", "--tracker", "tensorboard")
    folders = run_folders(script.runs)
    assert [folder.name[-3:] for folder in folders] == ["-s0", "-s1"]
    for folder in folders:
        logged = [(row.step, row.metrics) for row in rows_of(folder)]
        assert [step for step, _ in logged] == [3, 6]
        compare(case, found_rows(case, whole_run(folder)), expected_rows(case, logged))


@pytest.mark.parametrize(
    ("seeds", "tracker", "warned"), [(17, "wandb", True), (16, "wandb", False), (17, "jsonl", False)]
)
def test_many_runs_at_wandb_are_warned_of_before_any_is_opened(
    seeds: int,
    tracker: str,
    warned: bool,
    scripts_on_path: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import opening
    from arguments import parse_arguments
    from choosing import setup_of

    from hackmatrix.purejaxrl import TrainConfig

    class OpenedError(Exception):
        pass

    def opened(*_: object, **__: object) -> None:
        raise OpenedError

    monkeypatch.setattr(opening, "open_tracker", opened)
    args = parse_arguments(["--num-seeds", str(seeds), "--tracker", tracker, "--run-name", "many"])
    with pytest.raises(OpenedError):
        opening.open_all(args, setup_of(args), TrainConfig(), [None] * seeds, None)
    told = (
        f"{seeds} runs at wandb have as many clients in this process; a group in jsonl can be replayed later"
    )
    assert (told in caplog.messages) == warned
