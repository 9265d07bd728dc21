"""Faults that the service shows on demand."""

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["500", "429", "401", "hang", "drop", "drop-answer", "delay"]


@dataclass
class Fault:
    """One fault: which requests it meets, how many of them, and what then happens.

    ``500``, ``429`` and ``401`` are answers; ``hang`` does not answer for ``seconds``, then drops the connection;
    ``drop`` closes it before the request is taken, ``drop-answer`` after it was taken; ``delay`` answers
    ``seconds`` later. ``path`` is a regular expression over the path, or the name of a GraphQL operation
    after ``/graphql/``.
    """

    kind: Kind
    path: str = ".*"
    times: int | None = None
    seconds: float = 1.0
    hits: int = field(default=0, init=False)

    def meets(self, path: str) -> bool:
        """Whether this request is to fail; counts it if so."""
        if (self.times is not None and self.hits >= self.times) or not re.search(self.path, path):
            return False
        self.hits += 1
        return True
