"""What is refused of a call's arguments, before anything is made."""

import operator
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from hackmatrix.tracking.errors import InvalidArgumentError


def check_choice(what: str, given: object, allowed: Any) -> None:
    """Refuse what is none of a ``Literal``'s words.

    Raises:
        InvalidArgumentError: it is another one.
    """
    words = typing.get_args(allowed)
    if given not in words:
        raise InvalidArgumentError(f"{what} is {given!r}; give {' or '.join(map(repr, words))}")


def check_labels(labels: Mapping[str, Any]) -> None:
    """Refuse labels that no place could show.

    Raises:
        InvalidArgumentError: one is no text, or ``tags`` are no sequence of texts.
    """
    for name in ("entity", "group", "job_type", "notes"):
        given = labels[name]
        if given is not None and not isinstance(given, str):
            raise InvalidArgumentError(f"{name} is {given!r}, expected a text; leave it out, or give a str")
    tags = labels["tags"]
    is_list = tags is None or (isinstance(tags, Sequence) and not isinstance(tags, str))
    if not is_list or any(not isinstance(tag, str) for tag in tags or ()):
        raise InvalidArgumentError(f"tags are {tags!r}, expected a list of texts, e.g. ['baseline']")


def check_process_index(given: Any) -> int:
    """The number of a process as an ``int``.

    Raises:
        InvalidArgumentError: it is no integer, e.g. the text of an environment variable.
    """
    try:
        if isinstance(given, bool):
            raise TypeError
        number = operator.index(given)
    except TypeError:
        number = -1
    if number < 0:
        cure = "convert it, e.g. int(os.environ['RANK'])" if isinstance(given, str) else "count from 0"
        raise InvalidArgumentError(f"process_index is {given!r}, expected an integer >= 0; {cure}")
    return number
