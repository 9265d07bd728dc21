import decimal
import enum
import fractions
import math
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.errors import MetricValueError
from hackmatrix.tracking.values import check_at_call, copy_metrics, to_number

float32_bits = st.integers(0, 2**32 - 1)
float64_bits = st.integers(0, 2**64 - 1)


def bits(number):
    return struct.pack("<d", number)


def same(one, other):
    """Equal to the bit, but that any NaN is as good as another."""
    return bits(one) == bits(other) or (math.isnan(one) and math.isnan(other))


def numpy():
    return pytest.importorskip("numpy", reason="numpy is not installed")


def jax():
    return pytest.importorskip("jax", reason="jax is not installed")


def jax_numpy():
    return pytest.importorskip("jax.numpy", reason="jax is not installed")


class Size(enum.IntEnum):
    SMALL = 3


class Metres(float):
    pass


class Tensor:
    """The part of a torch tensor that matters here: changed in place, read with item()."""

    def __init__(self, values, shape=()):
        self.values = values
        self.shape = shape

    def detach(self):
        return self

    def clone(self):
        return Tensor(list(self.values), self.shape)

    def zero_(self):
        self.values = [0.0] * len(self.values)

    def item(self):
        (value,) = self.values
        return value


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (2**1023, 2**1023),
        (True, 1),
        (False, 0),
        (Size.SMALL, 3),
        (0.0, 0.0),
        (-0.0, -0.0),
        (Metres(1.5), 1.5),
        (fractions.Fraction(1, 4), 0.25),
        (fractions.Fraction(3, 1), 3.0),
        (decimal.Decimal("0.1"), 0.1),
        (decimal.Decimal("-Infinity"), -math.inf),
        (Tensor([2.5]), 2.5),
        (Tensor([7], (1, 1)), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_python_numbers_keep_value_and_type(value, number):
    for found in (to_number(value, "x"), to_number(check_at_call(value, "x"), "x")):
        assert type(found) is type(number)
        assert found == number
        assert same(found, number)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_values_are_numbers(value):
    assert same(to_number(value, "x"), value)
    assert same(to_number(Tensor([value]), "x"), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "metric 'loss' is None, expected one number; leave the tag out"),
        ("0.5", "is the text '0.5'"),
        ("x" * 1000, "log_text"),
        (b"1", "is the text b'1'"),
        (1j, "is complex"),
        ([1.0], "is a list, expected one number; reduce it first"),
        ((1.0,), "is a tuple"),
        ({1.0}, "is a set"),
        ({"a": 1.0}, "is a dict, expected one number; give each of its values a tag"),
        (object(), "is of type object, expected one number: <object"),
        (max, "is of type builtin_function_or_method"),
        (decimal.Decimal("sNaN"), "is no float"),
        (fractions.Fraction(10**400), "is no float: OverflowError"),
        (2**1024, "is an integer of 1025 bits"),
        (-(10**5000), "is an integer of 16610 bits"),
        (Tensor([1.0, 2.0], (2,)), "has shape (2,), expected one number; reduce it first, e.g. value.mean()"),
        (Tensor([], (0, 3)), "has shape (0, 3), expected one number; leave the tag out"),
        (Tensor([1j]), "is complex"),
        (Tensor(["a"]), "is the text 'a'"),
        (Tensor([None]), "is None"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_one_number_is_refused(value, message):
    with pytest.raises(MetricValueError) as caught:
        to_number(check_at_call(value, "loss"), "loss")
    assert message in str(caught.value)
    assert "'loss'" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_cannot_be_read_says_why():
    with pytest.raises(MetricValueError, match=r"metric 'loss' could not be read: ValueError: not enough"):
        to_number(Tensor([]), "loss")


@given(float64_bits)
def test_every_float64_keeps_its_bits(pattern):
    value = struct.unpack("<d", struct.pack("<Q", pattern))[0]
    assert same(to_number(value, "x"), value)
    np = numpy()
    for held in (np.float64(value), np.array(value), np.array([[value]])):
        found = to_number(check_at_call(held, "x"), "x")
        assert type(found) is float
        assert same(found, value)


@given(float32_bits)
def test_every_float32_keeps_its_bits(pattern):
    np = numpy()
    value = struct.unpack("<f", struct.pack("<I", pattern))[0]
    held = np.array(pattern, np.uint32).view(np.float32)
    for found in (to_number(held, "x"), to_number(held[()], "x"), check_at_call(held, "x")):
        assert type(found) is float
        assert same(found, value)


@given(st.integers(0, 2**16 - 1))
def test_every_float16_and_bfloat16_keeps_its_bits(pattern):
    np = numpy()
    held = np.array(pattern, np.uint16).view(np.float16)
    assert same(to_number(held, "x"), struct.unpack("<e", struct.pack("<H", pattern))[0])
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    wide = struct.unpack("<f", struct.pack("<I", pattern << 16))[0]
    held = np.array(pattern, np.uint16).view(ml_dtypes.bfloat16)
    for found in (to_number(held, "x"), to_number(held[()], "x")):
        assert type(found) is float
        assert same(found, wide)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1))
def test_every_64_bit_integer_keeps_its_value(signed, unsigned):
    np = numpy()
    for held, value in (
        (np.int64(signed), signed),
        (np.uint64(unsigned), unsigned),
        (np.array([signed]), signed),
    ):
        found = to_number(check_at_call(held, "x"), "x")
        assert type(found) is int
        assert found == value


def test_other_numpy_numbers_are_numbers():
    np = numpy()
    for value, number in (
        (np.bool_(True), 1),
        (np.int8(-5), -5),
        (np.longdouble(0.5), 0.5),
        (np.array(fractions.Fraction(1, 4), object), 0.25),
        (np.float32("nan"), math.nan),
        (np.ma.array([2.0], mask=[False]), 2.0),
    ):
        found = to_number(value, "x")
        assert type(found) is type(number)
        assert same(found, number)


def test_numpy_values_that_are_no_number_are_refused():
    np = numpy()
    for value, message in (
        (np.zeros(4), r"has shape \(4,\)"),
        (np.zeros((1, 0)), r"has shape \(1, 0\).*leave the tag out"),
        (np.complex64(1), "is complex"),
        (np.datetime64("2026-01-25T00:00:00.000000001"), "dtype datetime64"),
        (np.timedelta64(5, "ns"), "dtype timedelta64"),
        (np.str_("3"), "is the text"),
        (np.array("3"), "is the text"),
        (np.array((1, 2.0), dtype=[("a", int), ("b", float)]), "is a tuple"),
        (np.ma.masked, "is masked"),
    ):
        with pytest.raises(MetricValueError, match=message):
            to_number(value, "x")
        with pytest.raises(MetricValueError, match=message):
            check_at_call(value, "x")


def test_what_is_changed_after_the_call_does_not_change_the_row():
    np = numpy()
    array, tensor = np.ones(()), Tensor([1.0])
    metrics = {"array": array, "tensor": tensor, "float": 1.0}
    kept, _ = copy_metrics(metrics)
    array[()] = 5.0
    tensor.zero_()
    metrics["float"] = 5.0
    assert {tag: to_number(value, tag) for tag, value in kept.items()} == dict.fromkeys(metrics, 1.0)


def test_metrics_are_copied_value_for_value():
    assert copy_metrics({"a": 1.0, "b": True, "c": 2}) == ({"a": 1.0, "b": 1, "c": 2}, True)
    assert type(copy_metrics({"b": True})[0]["b"]) is int
    assert copy_metrics({}) == ({}, True)
    same_values = {"a": 1.0}
    assert copy_metrics(same_values)[0] is not same_values


@pytest.mark.parametrize("metrics", [5, None, "loss", [1.0], ["ab c"]])
def test_metrics_that_are_no_mapping_are_refused(metrics):
    with pytest.raises(MetricValueError, match="expected a mapping of tags to numbers"):
        copy_metrics(metrics)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("float32", 1.5),
        ("bfloat16", 1.5),
        ("float16", 1.5),
        ("int32", 3),
        ("uint8", 3),
        ("bool", 1),
        ("int4", 3),
    ],
)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_jax_arrays_are_kept_as_they_are_and_read_later(dtype, number, shape):
    jnp = jax_numpy()

    array = jnp.full(shape, number, dtype)
    assert check_at_call(array, "x") is array
    found = to_number(array, "x")
    assert type(found) is type(number)
    assert found == number


@pytest.mark.parametrize("values", [math.nan, math.inf, -math.inf, -0.0])
def test_jax_arrays_of_special_values_are_numbers(values):
    jnp = jax_numpy()

    assert same(to_number(jnp.float32(values), "x"), values)


def test_jax_arrays_of_another_shape_or_kind_are_refused_at_the_call():
    jax_, jnp = jax(), jax_numpy()

    for value, message in (
        (jnp.zeros(4), r"has shape \(4,\)"),
        (jnp.complex64(1), "is complex"),
        (jax_.random.key(0), "has dtype key<fry>"),
    ):
        with pytest.raises(MetricValueError, match=message):
            check_at_call(value, "x")
        with pytest.raises(MetricValueError, match=message):
            to_number(value, "x")


def test_a_traced_value_is_refused_at_the_call():
    jax_, jnp = jax(), jax_numpy()

    seen = []

    def function(x):
        with pytest.raises(MetricValueError, match=r"metric 'loss' is traced.*log it outside"):
            check_at_call(x, "loss")
        seen.append(type(x).__name__)
        return x * 1.0

    jax_.jit(function)(1.0)
    jax_.grad(function)(1.0)
    jax_.vmap(function)(jnp.ones(3))
    jax_.lax.scan(lambda carry, x: (carry, function(x)), 0, jnp.ones(3))
    assert len(set(seen)) > 1


def test_a_traced_value_cannot_be_read():
    jax_ = jax()

    def function(x):
        with pytest.raises(MetricValueError, match="metric 'loss' could not be read: TracerArrayConv"):
            to_number(x, "loss")
        return x

    jax_.jit(function)(1.0)


def test_a_donated_array_is_refused_at_the_call_and_later():
    jax_, jnp = jax(), jax_numpy()

    array = jnp.ones(())
    kept = check_at_call(array, "loss")
    jax_.jit(lambda x: x + 1, donate_argnums=0)(array)
    if not array.is_deleted():
        array.delete()
    with pytest.raises(MetricValueError, match=r"metric 'loss' was already deleted.*donated"):
        check_at_call(array, "loss")
    with pytest.raises(MetricValueError, match=r"metric 'loss' could not be read.*deleted"):
        to_number(kept, "loss")


def test_a_mutable_reference_of_jax_is_refused():
    jax_ = jax()
    if not hasattr(jax_, "new_ref"):
        pytest.skip("this jax has no mutable references")
    with pytest.raises(MetricValueError, match="is of type Ref"):
        check_at_call(jax_.new_ref(1.0), "x")


def test_no_array_package_is_imported():
    heavy = {"numpy", "jax", "ml_dtypes", "torch"}
    code = f"import sys, hackmatrix.tracking.values; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []
