"""Which subcommand was asked for: ``replay`` needs no further package, the others those of ``[cli]``."""

import io
import sys
from collections.abc import Sequence

from hackmatrix.tracking.cli import replay

_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 something is still owed or damaged, 2 wrong usage."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A letter that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="replace")
    if argv[:1] == ["replay"]:
        return replay.main(argv[1:])
    try:
        from hackmatrix.tracking.cli import app  # noqa: PLC0415 - replay works without its packages
    except ImportError as missing:
        print(  # noqa: T201 - a command line's own voice
            f"error: hackmatrix-runs needs the package {missing.name!r}: pip install 'hackmatrix[cli]' "
            "(replay works without it)",
            file=sys.stderr,
        )
        return _USAGE
    return app.run(argv)


if __name__ == "__main__":
    sys.exit(main())
