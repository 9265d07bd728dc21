"""What processes use: others while something is measured here, and a child until now."""

import os
import subprocess
import time
from pathlib import Path

from machine import usable_cores
from processor_time import busy_seconds


class Neighbours:
    """Counts from when it is made; children of this process count as its own once they have ended."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), busy_seconds(), sum(os.times()[:4])

    def __str__(self) -> str:
        busy = busy_seconds()
        if busy is None or self._busy is None:
            return "what other programs used is not known"
        theirs = busy - self._busy - (sum(os.times()[:4]) - self._own)
        cores = max(0.0, theirs / (time.monotonic() - self._began))
        return f"other programs used {cores:.1f} of {usable_cores()} cores meanwhile"


def processor_seconds(process: int) -> float:
    """What a living process has used so far."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(command: list[str], **environment: str) -> float:
    """The largest resident memory that was seen of a process, which is run to its end."""
    peak = 0
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines() if status.exists() else ():
                if line.startswith("VmHWM"):
                    peak = max(peak, int(line.split()[1]))
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {process.returncode}")
    return peak / 1024
