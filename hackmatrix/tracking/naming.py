"""What names may look like, and which comes next.

A run that nobody named is called ``<prefix>-<mon><dd>-<yy>-<n>[-<suffix>]``, e.g.
``hackmatrix-jax-jan25-26-1-ablation``: the local date with an English month whatever the locale, then the
number of the run on that day.

The law that makes this unambiguous: the *first* thing in a name that reads as ``-<mon><dd>-<yy>-<n>``, with a
real date, is its date. So a suffix may hold anything, and a prefix that holds such a date is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - the field of RunName is called date

from hackmatrix.tracking.errors import InvalidNameError, InvalidTagError

LONGEST_NAME = 100  # characters; leaves room for folders around it, and is below what every backend takes
# In JSON; readers in bulk compare the bytes of a tag.
_ESCAPED = frozenset('"\\' + "".join(map(chr, range(0x20))))
_LONGEST_SHOWN = 60  # characters of a refused text that a message repeats

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CENTURY = 2000  # two digits of a year stand for 2000 to 2099
_DATE_AND_NUMBER = re.compile(rf"-({'|'.join(_MONTHS)})([0-9]{{2}})-([0-9]{{2}})-([1-9][0-9]*)(?=-|\Z)")
_REFUSED = re.compile(r"[^A-Za-z0-9._-]")
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
_PARTS = ("prefix", "suffix")  # never stand alone, so they may be called like a device


@dataclass(frozen=True, slots=True)
class RunName:
    """The parts of a run's automatic name.

    Attributes:
        date: the local day, between 2000 and 2099.
        number: at least 1.
        suffix: free words after the number.

    Raises:
        InvalidNameError: no name with these parts would read back as them.
    """

    prefix: str
    date: Date
    number: int
    suffix: str | None = None

    def __post_init__(self) -> None:
        check_name("prefix", self.prefix)
        if self.suffix is not None:
            check_name("suffix", self.suffix)
        if not _CENTURY <= self.date.year < _CENTURY + 100:
            raise InvalidNameError(f"a run of the year {self.date.year} has no name; expected 2000 to 2099")
        if type(self.number) is not int or self.number < 1:
            raise InvalidNameError(f"the number of a run is {self.number!r}; expected an integer from 1")
        early = _first_date(self.prefix)
        if early is not None:
            raise InvalidNameError(
                f"prefix {_shown(self.prefix)} holds {early[0].group()[1:]!r}, which would be read as the "
                f"run's date and number; leave it out"
            )
        check_name("run name", format_run_name(self))


def format_run_name(parts: RunName) -> str:
    """The name with these parts; ``parse_run_name`` gives them back."""
    month = _MONTHS[parts.date.month - 1]
    # A number that str() refuses has more digits than a name has characters.
    number = str(parts.number) if parts.number < 10**LONGEST_NAME else "9" * (LONGEST_NAME + 1)
    name = f"{parts.prefix}-{month}{parts.date.day:02}-{parts.date.year % 100:02}-{number}"
    return name if parts.suffix is None else f"{name}-{parts.suffix}"


def parse_run_name(text: str) -> RunName | None:
    """The parts of a name; none if ``format_run_name`` gives this text for no parts. Never raises."""
    if len(text) > LONGEST_NAME:
        return None
    found = _first_date(text)
    if found is None:
        return None
    match, day = found
    suffix = text[match.end() + 1 :] if match.end() < len(text) else None
    try:
        return RunName(text[: match.start()], day, int(match.group(4)), suffix)
    except InvalidNameError:
        return None


def next_number(existing_names: Iterable[str], prefix: str, date: Date) -> int:
    """The number of the next run: greater than that of every run of this prefix and day.

    Anything that is no automatic name, or one of another prefix or day, is ignored. Upper and lower case
    count as equal, since not every disk tells them apart.

    Args:
        existing_names: e.g. the names in a folder, in any order.
        prefix: of the run that is to be named.
        date: the local day of that run.
    """
    # Most names of an old folder are of other days; parsing each would take most of the time of an open.
    beginning = format_run_name(RunName(prefix, date, 1)).lower().removesuffix("1")
    runs = (parse_run_name(name) for name in map(str.lower, existing_names) if name.startswith(beginning))
    return 1 + max(
        (run.number for run in runs if run and run.date == date and run.prefix == prefix.lower()), default=0
    )


def run_id(name: str) -> str:
    """The short name of a run: the first 8 hex digits of the MD5 of its name."""
    from hashlib import md5  # noqa: PLC0415 - costs more than the rest of this module

    return md5(name.encode(), usedforsecurity=False).hexdigest()[:8]


def check_name(kind: str, text: str) -> str:
    """Refuse what could not be a folder, a part of a URL and an artifact's name at once.

    Args:
        kind: what is being named, for the message: ``run name``, ``project``, ``suffix``, ...
        text: the name.

    Returns:
        ``text``.

    Raises:
        InvalidNameError: it is no string, empty, over 100 characters, has a character other than
            ``A-Z a-z 0-9 . _ -``, begins with one of the last three, ends with a dot, or is, in any case and
            with any extension, the name of a device on Windows.
    """
    if not isinstance(text, str):
        raise InvalidNameError(f"{kind} is of type {type(text).__name__}, expected a str: {_shown(text)}")
    if not text:
        raise InvalidNameError(f"{kind} is empty; give it at least one letter or digit")
    refused = _REFUSED.search(text)
    if refused is not None:
        raise InvalidNameError(
            f"{kind} {_shown(text)} has {_character(refused.group())} as character {refused.start() + 1}; "
            f"allowed are the letters A-Z and a-z, digits, '.', '_' and '-'"
        )
    if text[0] in "._-":
        raise InvalidNameError(
            f"{kind} {_shown(text)} has {text[0]!r} as character 1; begin with a letter or digit"
        )
    if len(text) > LONGEST_NAME:
        raise InvalidNameError(
            f"{kind} {_shown(text)} has {len(text)} characters; at most {LONGEST_NAME} are allowed"
        )
    if text[-1] == ".":
        raise InvalidNameError(f"{kind} {_shown(text)} has '.' as character {len(text)}; end without a dot")
    if kind not in _PARTS and text.partition(".")[0].lower() in _DEVICES:
        raise InvalidNameError(f"{kind} {_shown(text)} is the name of a device on Windows; choose another")
    return text


def check_tag(tag: str) -> str:
    """Refuse a tag that a reader could not give back; it is free text otherwise, never a path.

    Returns:
        ``tag``, as a plain ``str``.

    Raises:
        InvalidTagError: it is no string, empty, not valid Unicode, begins with ``_``, or has a character that JSON
            escapes: a quotation mark, a backslash, a control character.
    """
    if not isinstance(tag, str):
        raise InvalidTagError(
            f"a tag is of type {type(tag).__name__}, expected a str such as 'train/loss': {_shown(tag)}"
        )
    if not tag:
        raise InvalidTagError("a tag is empty; name it, e.g. 'train/loss'")
    if tag[0] == "_":
        raise InvalidTagError(f"tag {_shown(tag)} begins with '_', which the run's own columns do; rename it")
    try:
        tag.encode()
    except UnicodeEncodeError as error:
        raise InvalidTagError(
            f"tag {_shown(tag)} has {_character(tag[error.start])} as character {error.start + 1}, half of a "
            f"surrogate pair, which is no valid Unicode; decode it with errors='replace'"
        ) from None
    odd = next((index for index, each in enumerate(tag) if each in _ESCAPED), None)
    if odd is not None:
        raise InvalidTagError(
            f"tag {_shown(tag)} has {_character(tag[odd])} as character {odd + 1}, which JSON escapes; leave it out"
        )
    return str(tag)


def _first_date(text: str) -> tuple[re.Match[str], Date] | None:
    for match in _DATE_AND_NUMBER.finditer(text):
        month, day, year, _ = match.groups()
        try:
            return match, Date(_CENTURY + int(year), _MONTHS.index(month) + 1, int(day))
        except ValueError:
            continue  # e.g. feb30, which is a word like any other
    return None


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else repr(value[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN + 2 else f"{text[:_LONGEST_SHOWN]}... (shortened)"


def _character(character: str) -> str:
    return repr(character) if character.isascii() else f"{character!r} (U+{ord(character):04X})"
