"""Ctrl-C at a process that has said where it is, and stays there."""

import os
import signal
import subprocess
from pathlib import Path

IMPORTING = """
import threading

try:
    print("importing", flush=True)
    threading.Event().wait()
except KeyboardInterrupt:
    raise ImportError("it came out as any error") from None
"""


def with_endless_jax(folder: Path) -> str:
    """A ``PYTHONPATH`` on which the import of JAX says ``importing``, and never ends."""
    folder.mkdir()
    (folder / "jax.py").write_text(IMPORTING)
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def ctrl_c_after(said: str, process: subprocess.Popen[str]) -> tuple[str, str]:
    """Both outputs of a process that got Ctrl-C once it had said this line, which is left out."""
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert line == f"{said}\n", out + err
    return out, err
