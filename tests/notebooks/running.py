"""The notebook run as on Colab: in a kernel that is lost with its machine, then in a new one.

``python -m tests.notebooks.running`` executes it so and writes ``notebooks/colab.ipynb`` with its outputs.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import jupytext
import nbformat
import psutil
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
SOURCE, NOTEBOOK = ROOT / "notebooks" / "colab.py", ROOT / "notebooks" / "colab.ipynb"
SHOWN_AS = "/content"


def with_parameters(parameters: Mapping[str, str]) -> Any:
    """The notebook, with assignments (name -> expression) behind its own."""
    notebook = jupytext.read(SOURCE)
    place = next(
        index for index, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())
    )
    lines = [f"{name} = {expression}" for name, expression in parameters.items()]
    notebook.cells.insert(
        place + 1, nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["injected"]})
    )
    return notebook


def execute(notebook: Any, folder: Path, until_lost: Callable[[], bool] | None = None) -> Any:
    """Run all cells in a new kernel; with ``until_lost`` the kernel is killed once that is true."""
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        startup_timeout=240, iopub_timeout=240,  # 4 s by default, after which a busy machine's output is left out
    )  # fmt: skip
    if until_lost is None:
        return client.execute()
    killed = []

    def kill() -> None:
        deadline = time.monotonic() + 200
        while not until_lost():
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        killed.append(True)
        kernel = psutil.Process(client.km.provisioner.pid)
        machine = (*kernel.children(recursive=True), kernel)
        for process in machine:
            with suppress(psutil.NoSuchProcess):  # it may have ended by itself just now
                process.kill()
        psutil.wait_procs(machine, timeout=60)  # until then it may write

    killer = Thread(target=kill, daemon=True)
    killer.start()
    try:
        client.execute()
    except Exception:
        if not killed:
            raise
        killer.join()
        return None
    raise AssertionError("the notebook was finished before its kernel was lost")


@contextmanager
def environment(folder: Path, python: Path = Path(sys.executable), **more: str) -> Iterator[None]:
    """The kernel inherits it: a kernel of this Python, no device, nothing of the user's own."""
    before = dict(os.environ)
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = f'["{python}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (spec / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Python 3", "language": "python"}}')
    for name in list(os.environ):
        if name.startswith(("WANDB_", "HACKMATRIX_")):
            del os.environ[name]
    os.environ.update(
        JUPYTER_PATH=str(folder / "jupyter"), JAX_PLATFORMS="cpu", COLUMNS="100", MPLBACKEND="module://matplotlib_inline.backend_inline",
        IPYTHONDIR=str(folder / "ipython"), HOME=str(folder), **more,
    )  # fmt: skip
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def lose_and_go_on(folder: Path, parameters: Mapping[str, str], is_safe: Callable[[], bool]) -> Any:
    """Lose kernel and disk once something is kept elsewhere; run everything again."""
    execute(with_parameters(parameters), folder, is_safe)
    return go_on_elsewhere(folder, parameters)


def go_on_elsewhere(folder: Path, parameters: Mapping[str, str]) -> Any:
    """Run everything on a machine of which nothing is left but what is kept elsewhere."""
    for gone in ("runs", "hackmatrix"):
        shutil.rmtree(folder / gone, ignore_errors=True)
    return execute(with_parameters(parameters), folder)


def outputs_of(notebook: Any) -> str:
    """What all cells printed."""
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))


def main() -> None:
    """Write the notebook with the outputs of the second life."""
    folder = Path(tempfile.mkdtemp(prefix="content-"))
    try:
        with environment(folder):
            done = lose_and_go_on(
                folder,
                {"ROOT": f"Path({str(ROOT)!r})"},
                lambda: any((folder / "mirror").glob("*/checkpoints/step-*/manifest.json")),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    done.cells = [cell for cell in done.cells if "injected" not in cell.metadata.get("tags", ())]
    for number, cell in enumerate(done.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        _join_streams(cell)
    written = (
        nbformat.writes(done).replace(str(folder), SHOWN_AS).replace(str(ROOT), f"{SHOWN_AS}/hackmatrix")
    )
    NOTEBOOK.write_text(written + "\n", encoding="utf-8")


def _join_streams(cell: Any) -> None:
    """One output for all that a cell printed, as a notebook shows it."""
    outputs: list[Any] = []
    for output in cell.get("outputs", ()):
        if outputs and output.output_type == outputs[-1].output_type == "stream":
            outputs[-1].text += output.text
        else:
            outputs.append(output)
    if outputs:
        cell.outputs = outputs


if __name__ == "__main__":
    main()
