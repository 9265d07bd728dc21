"""Run a command and keep what it says as a picture: ``picture.py OUT.svg COMMAND...``."""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 84
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # they are fetched from elsewhere


def main() -> int:
    """Write the picture; the command's own exit code."""
    out, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - the command is what the caller asks for
            command,
            env={**os.environ, "COLUMNS": str(COLUMNS), "HACKMATRIX_DIR": f"{folder}/runs"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said = done.stdout.replace(f"{folder}/", "")
    sys.stdout.write(said)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(said.rstrip("\n")))
    svg = console.export_svg(title=shlex.join(command)[:70])
    Path(out).write_text(FONT_FACES.sub("", svg), encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
