"""From the name of an environment to the environment; its package is imported only then."""

import difflib
import importlib

from hackmatrix.purejaxrl.config import ConfigError
from hackmatrix.purejaxrl.environments import Environment

_GYMNAX = "gymnax:"


def make_environment(name: str) -> Environment:
    """Make the environment that ``--env`` names.

    Args:
        name: ``hackmatrix``, or ``gymnax:`` and an id, e.g. ``gymnax:Breakout-MinAtar``.

    Raises:
        ConfigError: there is none of that name, its package is missing, or its actions are continuous.
    """
    if name == "hackmatrix":
        game = importlib.import_module("hackmatrix.jax_env")
        return Environment(game.HackMatrix(), name=name)
    if name.startswith(_GYMNAX):
        return _make_gymnax(name)
    raise ConfigError(
        f"env = {name!r} is unknown; 'hackmatrix' or 'gymnax:ID', e.g. 'gymnax:CartPole-v1', would do"
    )


def _make_gymnax(name: str) -> Environment:
    try:
        gymnax = importlib.import_module("gymnax")
    except ImportError as error:
        raise ConfigError(
            f"env = {name!r} needs the package {error.name!r}: pip install 'hackmatrix[train]'"
        ) from error
    wanted = name.removeprefix(_GYMNAX)
    known = sorted(gymnax.registered_envs)
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=3) or known
        raise ConfigError(f"env = {name!r}: Gymnax has no {wanted!r}; {', '.join(near)} would do")
    try:
        env, params = gymnax.make(wanted)
    except OSError as error:
        raise ConfigError(
            f"env = {name!r} fetches what it needs from the network, which failed: {error}"
        ) from error
    try:
        return Environment(env, params, name=name)
    except TypeError as error:
        raise ConfigError(f"env = {name!r}: {error}") from error
