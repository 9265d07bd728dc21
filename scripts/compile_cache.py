"""Compiled programs kept between starts, so that the second start of a config trains at once."""

import os
import sys
from pathlib import Path

from hackmatrix.purejaxrl import instruction_set


def use_compile_cache() -> None:
    """Turn JAX's persistent cache on, unless ``JAX_COMPILATION_CACHE_DIR`` says where it lies.

    The folder is named by jaxlib and by instruction set, since a program compiled for one processor may not run
    on another.
    """
    import jax  # noqa: PLC0415 - the flags are read before JAX is imported
    import jaxlib.version  # noqa: PLC0415 - likewise

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        words = f"{jaxlib.version.__version__} {instruction_set()}"
        from hashlib import sha256  # noqa: PLC0415 - used here only

        folder = (
            _user_cache()
            / "hackmatrix"
            / f"jaxlib-{jaxlib.version.__version__}-{sha256(words.encode()).hexdigest()[:8]}"
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # no home to write to: compile each time
        jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]  # JAX leaves it untyped
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)  # type: ignore[no-untyped-call]  # JAX leaves it untyped


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
