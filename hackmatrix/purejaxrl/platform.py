"""What must be equal for equal bits.

The same program gives the same bits on the same platform. Each entry here was seen to change them, or can,
but for the numbers of devices and processes, which are told and change nothing.
"""

import os
import platform
from pathlib import Path

import flax
import jax
import jaxlib.version
import optax

_NOT_IN_BITS = ("device_count", "process_count")  # shards are added in one order, wherever they lie
_VECTOR_FLAGS = ("amx", "asimd", "avx", "f16c", "fma", "neon", "sse4", "sve")


def platform_facts() -> dict[str, str | int]:
    """Return the platform as a flat mapping; asks the devices, so call it after JAX was set up."""
    device = jax.devices()[0]
    return {
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
        "flax": flax.__version__,
        "optax": optax.__version__,
        "backend": device.platform,
        "device_kind": device.device_kind,
        "device_count": jax.device_count(),
        "process_count": jax.process_count(),
        "instruction_set": instruction_set(),
        "cpu_threads": cpu_threads(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": str(getattr(jax.config, "jax_default_matmul_precision", None)),
    }


def cpu_threads() -> int:
    """Return the size of XLA's thread pool: ``NPROC``, else the cores this process may use."""
    wanted = os.environ.get("NPROC", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def instruction_set() -> str:
    """Return the machine, and where the system tells, the vector instructions that code is made for."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return " ".join(filter(None, (platform.machine(), platform.processor())))
    flags = next((line.split(":")[1] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return " ".join((platform.machine(), *sorted(f for f in flags.split() if f.startswith(_VECTOR_FLAGS))))


def differences(then: dict[str, str | int], now: dict[str, str | int]) -> dict[str, tuple[object, object]]:
    """Return what differs, name -> (then, now); where nothing does, bits may be expected to agree."""
    return {
        name: (then.get(name), now.get(name))
        for name in (*now, *(then.keys() - now.keys()))
        if name not in _NOT_IN_BITS and then.get(name) != now.get(name)
    }
