"""What a person is told of runs: where they lie when they begin, what was reached when they end."""

from collections.abc import Sequence

from progress import draw_curve
from rich.console import Console

from hackmatrix.tracking import FinishReport, Tracker, read_run


def tell_begin(console: Console, trackers: Sequence[Tracker]) -> None:
    """Name each run, and say where it lies."""
    for run in (tracker.run for tracker in trackers):
        console.print(
            f"run {run.name}" + (f", attempt {run.attempt}" if run.resumed else ""), highlight=False
        )
        for place in filter(None, (run.folder, run.url)):
            console.print(f"  {place}", highlight=False, soft_wrap=True)


def tell_ends(console: Console, trackers: Sequence[Tracker], reports: Sequence[FinishReport]) -> None:
    """Say what was reached: in full for one run, in a line each for several."""
    for tracker, report in zip(trackers, reports, strict=True):
        if len(trackers) == 1:
            _tell_end(console, tracker, report)
        else:
            console.print(
                f"{tracker.run.name}: {report.status}, {report.rows} rows up to update {report.last_step}",
                highlight=False,
                soft_wrap=True,
            )
    if len(trackers) > 1 and trackers[0].run.folder is not None:
        names = " ".join(tracker.run.name for tracker in trackers)
        console.print(f"together:   hackmatrix-runs plot {names}", highlight=False, soft_wrap=True)


def _tell_end(console: Console, tracker: Tracker, report: FinishReport) -> None:
    run = tracker.run
    console.print(f"{report.status}: {report.rows} rows up to update {report.last_step}", highlight=False)
    if run.folder is None:
        return
    columns = read_run(run.folder).columns(["train/env_steps", "train/mean_episode_return"])
    points = [
        (steps, mean)
        for steps, mean in zip(columns["train/env_steps"], columns["train/mean_episode_return"], strict=True)
        if steps is not None and mean is not None
    ]
    if len(points) > 1:
        draw_curve(console, [steps for steps, _ in points], [mean for _, mean in points])
    if points:
        steps, mean = points[-1]
        best = max(mean for _, mean in points)
        console.print(
            f"mean episode return {mean:.1f} at {steps:,.0f} env steps; the best row has {best:.1f}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"rows:       {run.folder / 'metrics.jsonl'}", highlight=False, soft_wrap=True)
    if "tensorboard" in report.backends:
        console.print(
            f"curves:     tensorboard --logdir {run.folder.parent}", highlight=False, soft_wrap=True
        )
    if run.url is not None:
        console.print(f"also at:    {run.url}", highlight=False, soft_wrap=True)
    if report.status == "finished":
        console.print(
            f"in Python:  hackmatrix.tracking.read_run({str(run.folder)!r}).columns()",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(f"to go on:   --resume-run {run.name}", highlight=False, soft_wrap=True)
