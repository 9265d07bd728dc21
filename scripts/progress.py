"""What a person sees while a run trains: a live bar on a terminal and in a notebook, plain lines in a pipe."""

import logging
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hackmatrix.purejaxrl import ChunkReport


class Display:
    """Shows chunks as they finish; ``log`` messages of the packages appear above the bar.

    Args:
        num_updates: of the whole run.
        finished: updates that were done before.
    """

    def __init__(self, console: Console, num_updates: int, finished: int) -> None:
        self._console = console
        self._live = console.is_terminal or console.is_jupyter
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("compiling", total=num_updates, completed=finished, figures="")
        self._first = finished
        self._spent = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._live:
            self._console.print("compiling the training program ...")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def compiled(self, seconds: float) -> None:
        """Tracing and compiling are over."""
        self._bar.update(self._task, description="training")
        self._console.print(f"compiled in {seconds:.1f} s")

    def chunk(self, report: ChunkReport) -> None:
        """A chunk is finished and logged."""
        self._spent += report.seconds
        told = [row["train/mean_episode_return"] for row in report.rows if "train/mean_episode_return" in row]
        figures = f"return {_shown(sum(told) / len(told) if told else None)}"  # the mean over agents
        speed = f"{sum(row['train/steps_per_second'] for row in report.rows):,.0f} steps/s"
        if self._live:
            self._bar.update(self._task, completed=report.update, figures=f"{figures}  {speed}")
            return
        left = self._spent / (report.update - self._first) * (report.num_updates - report.update)
        self._console.print(
            f"update {report.update}/{report.num_updates}  env steps {report.env_steps:,}  "
            f"{figures}  {speed}  {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )


class ConsoleHandler(logging.Handler):
    """Messages of the packages as plain sentences, above the bar."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        style = "yellow" if record.levelno >= logging.WARNING else ""
        self._console.print(self.format(record), style=style, highlight=False, markup=False, soft_wrap=True)


def draw_curve(console: Console, env_steps: list[float], returns: list[float]) -> None:
    """The learning curve in characters."""
    import plotext  # noqa: PLC0415 - needed once, at the end

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(console.width, 80), 16)
    plotext.plot(env_steps, returns, marker="braille")
    plotext.title("mean episode return")
    plotext.xlabel("env steps")
    console.print(plotext.uncolorize(plotext.build()), highlight=False, markup=False, soft_wrap=True)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
