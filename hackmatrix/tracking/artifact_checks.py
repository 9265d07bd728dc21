"""What is refused of an artifact before a file of it is touched."""

from collections.abc import Mapping, Sequence

from hackmatrix.tracking.errors import ConfigValueError
from hackmatrix.tracking.lines import NONFINITE, encode_objects
from hackmatrix.tracking.naming import check_name
from hackmatrix.tracking.protocol import ConfigValue


def check_artifact(name: str, aliases: Sequence[str], metadata: Mapping[str, ConfigValue] | None) -> None:
    """Refuse what no place could keep.

    Raises:
        InvalidNameError: the name or an alias is none.
        ConfigValueError: the metadata cannot be stored.
    """
    check_name("artifact name", name)
    for alias in aliases:
        check_name("alias", alias)
    try:
        encode_objects([dict(metadata or {})])
    except (TypeError, ValueError) as problem:
        raise ConfigValueError(
            f"metadata of artifact {name!r} cannot be stored ({problem}); keep to numbers, texts and lists of them"
        ) from problem
    if NONFINITE in (metadata or {}):
        raise ConfigValueError(
            f"metadata of artifact {name!r} has the key {NONFINITE!r}, which is ours; rename it"
        )
