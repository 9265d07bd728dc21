"""The subcommands as one program, and what its exit codes mean."""

import os
import sys
from collections.abc import Sequence

import click

from hackmatrix import __version__
from hackmatrix.tracking.cli import replay as replaying
from hackmatrix.tracking.cli.compare import compare
from hackmatrix.tracking.cli.doctor import doctor
from hackmatrix.tracking.cli.export import export
from hackmatrix.tracking.cli.ls import ls
from hackmatrix.tracking.cli.plot import plot
from hackmatrix.tracking.cli.show import show
from hackmatrix.tracking.cli.verify import verify_command
from hackmatrix.tracking.errors import TrackingError

DONE, DAMAGED, USAGE = 0, 1, 2
_CTRL_C = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def app() -> None:
    """Look at runs, compare them, check them, and deliver them to other trackers.

    A RUN is a run's folder, or its name or id in the folder of runs: --root DIR, else HACKMATRIX_DIR, else runs.

    \b
    Where to begin:
      hackmatrix-runs ls                        what is there
      hackmatrix-runs show RUN --follow         watch one
      hackmatrix-runs plot RUN RUN -o a.html    lay curves over each other
      hackmatrix-runs compare RUN RUN           why do they differ?
      hackmatrix-runs replay RUN --tracker wandb

    Exit codes: 0 done, 1 verify found damage or replay still owes something, 2 wrong usage.
    """  # noqa: D301 - \b is click's mark for text that keeps its lines


@app.command(
    name="replay",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Deliver to another tracker what it lacks of a run.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def replay(words: tuple[str, ...]) -> int:
    """Stand in the list of commands; without click it is reached directly."""
    return replaying.main(words)


for command in (ls, show, plot, compare, export, verify_command, doctor):
    app.add_command(command)


def run(argv: Sequence[str]) -> int:
    """Carry out a command line; the exit code."""
    try:
        with app.make_context("hackmatrix-runs", list(argv)) as context:
            code = app.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except BrokenPipeError:  # whoever reads has seen enough, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (click.Abort, KeyboardInterrupt):
        return _CTRL_C
    except (click.ClickException, TrackingError, ImportError, OSError) as problem:
        return _refuse(problem)
    return code if isinstance(code, int) else DONE


def _refuse(problem: Exception) -> int:
    if isinstance(problem, click.ClickException):
        problem.show()
    elif isinstance(problem, ImportError) and not isinstance(problem, TrackingError):
        click.echo(f"error: this needs the package {problem.name!r}: pip install 'hackmatrix[cli]'", err=True)
    else:
        click.echo(f"error: {problem}", err=True)
    return USAGE
