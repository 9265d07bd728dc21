import argparse
import collections
import dataclasses
import datetime as dt
import enum
import functools
import json
import logging
import math
import os
import subprocess
import sys
import types
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.config import ABSENT, config_difference, config_digest, flatten_config
from hackmatrix.tracking.errors import ConfigValueError
from hackmatrix.tracking.readable import readable


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 0


class Word(enum.StrEnum):
    TANH = "tanh_"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Network:
    hidden: int = 64
    activation: object = math.tanh


@dataclasses.dataclass
class Training:
    seed: int
    rate: float
    network: Network
    unset: None = None


Pair = collections.namedtuple("Pair", ["low", "high"])  # noqa: PYI024 - as users have them


class HydraLike(collections.abc.Mapping):
    """A mapping that is no dict, with a value that must still be given."""

    def __init__(self, values):
        self.values_ = values

    def __getitem__(self, key):
        if self.values_[key] == "???":
            raise LookupError(f"missing mandatory value: {key}")
        return self.values_[key]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


class KeysOnly:
    """As ml_collections' ConfigDict: keys and items, but no Mapping."""

    def keys(self):
        return ["a"]

    def __getitem__(self, key):
        return {"a": 5}[key]


keys = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=8)
leaves = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
groups = st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=20).filter(
    lambda value: isinstance(value, dict)
)


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return value


def test_groups_become_paths():
    config = {
        "training": Training(seed=3, rate=2.5e-4, network=Network()),
        "pair": Pair(0, 1.0),
        "args": argparse.Namespace(verbose=True),
        "space": types.SimpleNamespace(x=1),
        "hydra": HydraLike({"a": {"b": "c"}}),
        "keys": KeysOnly(),
        "layers": [{"size": 64}, {"size": 32}],
        "nested": [[Network(1, None)]],
        "sizes": (64, 32),
        7: "seven",
        "empty": {},
        Colour.RED: 1,
    }
    assert flatten_config(config) == {
        "training.seed": 3,
        "training.rate": 2.5e-4,
        "training.network.hidden": 64,
        "training.network.activation": "math.tanh",
        "training.unset": None,
        "pair.low": 0,
        "pair.high": 1.0,
        "args.verbose": True,
        "space.x": 1,
        "hydra.a.b": "c",
        "keys.a": 5,
        "layers.0.size": 64,
        "layers.1.size": 32,
        "nested.0.0.hidden": 1,
        "nested.0.0.activation": None,
        "sizes": [64, 32],
        "7": "seven",
        "RED": 1,
    }


@pytest.mark.parametrize(
    "config", [Training(1, 0.5, Network()), argparse.Namespace(a=1), Pair(1, 2), {}, None]
)
def test_any_group_may_be_the_config(config):
    assert isinstance(flatten_config(config), dict)


@given(groups)
def test_a_flat_config_stays_as_it_is(config):
    flat = flatten_config(config)
    again = flatten_config(flat)
    assert list(again) == list(flat)
    assert config_difference(flat, again) == []
    assert config_digest(flat) == config_digest(again)


@given(groups)
def test_a_config_survives_json_with_the_same_digest(config):
    flat = flatten_config(config)
    assert config_digest(json.loads(json.dumps(flat))) == config_digest(flat)
    assert config_digest(flatten_config(shuffled(config))) == config_digest(flat)


@given(groups, groups)
def test_no_difference_means_equal_digests(one, other):
    one, other = flatten_config(one), flatten_config(other)
    assert (config_difference(one, other) == []) == (config_digest(one) == config_digest(other))
    for key, before, after in config_difference(one, other):
        assert one.get(key, ABSENT) is before
        assert other.get(key, ABSENT) is after


def test_the_digest_is_the_sha_256_of_canonical_json():
    assert config_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert config_digest({"b": 1, "a": [1.5, None]}) == config_digest({"a": [1.5, None], "b": 1})


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0.0, -0.0), ("nan", math.nan), (None, "null"), ([1], [1.0])]
)
def test_values_that_only_look_alike_are_told_apart(one, other):
    assert config_digest({"x": one}) != config_digest({"x": other})
    assert len(config_difference({"x": one}, {"x": other})) == 1


def test_nan_equals_nan():
    assert config_digest({"x": math.nan}) == config_digest({"x": -math.nan})
    assert config_difference({"x": math.nan}, {"x": float("nan")}) == []


def test_a_difference_says_what_was_and_what_is():
    difference = config_difference({"same": 1, "rate": 0.1, "gone": None}, {"rate": 0.2, "same": 1, "new": 3})
    assert difference == [("gone", None, ABSENT), ("new", ABSENT, 3), ("rate", 0.1, 0.2)]
    assert repr(ABSENT) == "absent"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Colour.RED, "RED"),
        (Level.LOW, "LOW"),
        (Word.TANH, "TANH"),
        (Access.READ | Access.WRITE, "READ|WRITE"),
        (PurePosixPath("a/b"), "a/b"),
        (PureWindowsPath("a\\b"), "a/b"),
        (Path("runs"), "runs"),
        (max, "max"),
        (int, "int"),
        (os.path.join, f"{os.path.__name__}.join"),
        (Network, f"{__name__}.Network"),
        ([].append, "list.append"),
        (functools.partial(math.pow, 2, y="z"), "partial(math.pow, 2, y='z')"),
        (functools.partial(max, key=min), "partial(max, key=min)"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({10, 2, "a", None, (1, "b"), (1, 2)}, [None, 2, 10, [1, "b"], [1, 2], "a"]),
        ((1, (2.0, None)), [1, [2.0, None]]),
        (dt.date(2026, 1, 25), "2026-01-25"),
        (dt.timedelta(seconds=90), "0:01:30"),
        (Decimal("0.10"), "0.10"),
        (range(3), "range(0, 3)"),
        (b"ab", "b'ab'"),
        (1j, "1j"),
    ],
)
def test_what_is_stored_of_a_value(value, stored):
    found = flatten_config({"x": value})["x"]
    assert found == stored
    assert type(found) is type(stored)


def test_numbers_and_dtypes_of_numpy_are_stored():
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    config = {
        "float": np.float64(0.1),
        "float32": np.float32(0.5),
        "int": np.int64(2**62),
        "bool": np.bool_(True),
        "array": np.arange(4).reshape(2, 2),
        "dtype": np.dtype("float32"),
        "type": np.float32,
    }
    flat = flatten_config(config)
    assert flat == {
        "float": 0.1,
        "float32": 0.5,
        "int": 2**62,
        "bool": True,
        "array": [[0, 1], [2, 3]],
        "dtype": "float32",
        "type": "float32",
    }
    assert [type(value) for value in flat.values()] == [float, float, int, bool, list, str, str]
    with pytest.raises(ConfigValueError, match="give the path of a file"):
        flatten_config({"x": np.zeros(2000)})


def test_what_jax_has_in_configs_is_stored():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    jnp = jax.numpy
    flat = flatten_config(
        {"dtype": jnp.bfloat16, "value": jnp.float32(0.5), "act": jax.nn.tanh, "jit": jax.jit(max)}
    )
    assert flat["dtype"] == "bfloat16"
    assert flat["value"] == 0.5
    assert flat["act"].endswith("tanh")
    assert flat["jit"] == "max"
    with pytest.raises(ConfigValueError, match="'x' could not be read"):
        jax.jit(lambda x: flatten_config({"x": x}))(1.0)


def loop():
    config = {}
    config["again"] = config
    return config


def loop_of_lists():
    items = []
    items.append(items)
    return {"again": items}


class Changing:
    def __call__(self):
        return 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (5, "config is of type int, expected a dict"),
        ([1], "config is of type list"),
        ("a", "config is of type str"),
        (Network, "config is of type type"),
        ({"a": {"b": object()}}, "config at 'a.b' is of type object, whose text '<object object at 0x"),
        ({"a": [1, Changing()]}, "config at 'a' is of type Changing"),
        ({"a": functools.partial(max, object())}, "config at 'a' is of type object"),
        ({"a": {(1, 2): 3}}, "config has the key (1, 2) at 'a'; expected a text"),
        ({"": 3}, "config has the key '' at the top"),
        ({None: 3}, "config has the key None at the top"),
        ({"a.b": 1, "a": {"b": 2}}, "config has two values at 'a.b'"),
        ({1: 1, "1": 2}, "config has two values at '1'"),
        ({"a": "\ud800"}, "config at 'a' is no valid Unicode"),
        ({"a": 10**5000}, "config at 'a' is an integer of 16610 bits"),
        ({"a": HydraLike({"b": "???"})}, "config at 'a' could not be read: missing mandatory value: b"),
        (loop(), "is it a loop?"),
        (loop_of_lists(), "is it a loop?"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_stored_is_refused_with_its_key(config, message):
    with pytest.raises(ConfigValueError) as caught:
        flatten_config(config)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "key",
    [
        *(
            "api_key",
            "apiKey",
            "WANDB_API_KEY",
            "wandb-api-key",
            "apikey",
            "password",
            "db.password",
            "secret",
        ),
        *(
            "client_secret",
            "secretKey",
            "secrets.anything",
            "token",
            "hf_token",
            "githubToken",
            "token2",
            "token.x",
        ),
    ],
)
def test_secrets_are_dropped_and_told_once(key, caplog):
    config = {key: "hunter2", "rate": 0.1}
    assert flatten_config(config) == {"rate": 0.1}
    told = caplog.text
    flatten_config(config)
    assert caplog.text == told
    assert "hunter2" not in told


def test_a_dropped_secret_is_named(caplog):
    with caplog.at_level(logging.WARNING, "hackmatrix.tracking"):
        flatten_config({"only_here_password": 1234})
    assert "'only_here_password' looks like a secret" in caplog.text
    assert "1234" not in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("token_dim", 64), ("max_tokens", 10), ("tokens", "a"), ("tokenizer", "bpe"), ("pad_token", 0)),
        *(
            ("use_password", True),
            ("api_key", None),
            ("secretary", "x"),
            ("keyapi", "x"),
            ("passwordless", "x"),
        ),
    ],
)
def test_what_is_no_secret_stays(key, value):
    assert flatten_config({key: value}) == {key: value}


def test_the_text_of_a_value_is_the_same_in_the_next_process():
    code = (
        "import functools, json, pathlib, math; from hackmatrix.tracking.config import *;"
        "print(config_digest(flatten_config(dict(a={'x','y','z'}, b=math.tanh, c=functools.partial(max, 1),"
        " d=pathlib.Path('x'), e=frozenset({1, 2.5, 'q'})))))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    }
    assert len(digests) == 1


def test_a_lone_value_can_be_asked_for():
    assert readable(Colour.RED, "x") == "RED"
