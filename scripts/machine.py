"""The machine and the versions that a measurement was made with."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("hackmatrix", "jax", "jaxlib", "numpy", "msgspec")


def machine_facts(packages: Sequence[str] = PACKAGES) -> dict[str, str | int | float]:
    """Processor, cores, system, load, and versions of what is installed."""
    facts: dict[str, str | int | float] = {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 2)
    for package in packages:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def described(facts: dict[str, str | int | float]) -> str:
    """The same as one line."""
    about = ("processor", "cores", "system", "load")
    versions = ", ".join(f"{name} {fact}" for name, fact in facts.items() if name not in about)
    load = f", load {facts['load']}" if "load" in facts else ""
    return f"{facts['processor']}, {facts['cores']} cores{load}; {facts['system']}; {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
