"""The file stream: the path on which history, summary, events and the end of a run arrive.

The client sends, for each file, lines and the number of the first; a line sent again takes the place of itself.
Sent by wandb-core's ``filestream`` package, which reads ``stopped`` in the reply (and nothing else of it).
"""

import json
from typing import Any

from .graphql import UnknownFieldError
from .state import Run, now

SUMMARY = "wandb-summary.json"
KNOWN = {"files", "complete", "exitcode", "uploaded", "dropped", "preempting"}


def receive(run: Run, body: dict[str, Any]) -> dict[str, Any]:
    """Take one request of the file stream, and reply to it."""
    if set(body) - KNOWN:
        raise UnknownFieldError(f"file_stream: {sorted(set(body) - KNOWN)}")
    run.heartbeat_at = now()
    for name, chunk in (body.get("files") or {}).items():
        if name == SUMMARY:
            run.summary = json.loads(chunk["content"][-1])
        else:
            place(run.lines.setdefault(name, []), chunk["offset"], chunk["content"])
    run.files |= set(body.get("uploaded") or ())
    run.preempting = run.preempting or bool(body.get("preempting"))
    if body.get("complete"):
        run.exit_code = body.get("exitcode")
        failed = "preempted" if run.preempting else "failed"
        run.state = "finished" if run.exit_code == 0 else failed
    elif body.get("complete") is not None or body.get("files"):
        run.state = "preempting" if run.preempting else "running"
    return {"stopped": False}


def place(lines: list[str], offset: int, content: list[str]) -> None:
    if offset > len(lines):
        raise UnknownFieldError(f"file_stream: a hole before line {offset}, {len(lines)} lines are held")
    lines[offset : offset + len(content)] = content
