"""The stand-in as a process of its own: ``python -m tests.wandb_service --port 8765 --state DIR``."""

import argparse
import sys
import threading
from pathlib import Path

from .server import WandbService


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--fault", action="append", default=[], metavar="KIND=PATH")
    chosen = parser.parse_args()
    service = WandbService(chosen.state, chosen.port)
    for fault in chosen.fault:
        kind, _, path = fault.partition("=")
        service.fault(kind, path)
    service.start()
    sys.stdout.write(f"{service.base_url}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
