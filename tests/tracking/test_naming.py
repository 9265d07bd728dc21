import calendar
import datetime as dt
import hashlib
import json
import locale
import re
from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hackmatrix.tracking.errors import InvalidNameError, InvalidTagError
from hackmatrix.tracking.naming import (
    LONGEST_NAME,
    RunName,
    check_name,
    check_tag,
    format_run_name,
    next_number,
    parse_run_name,
    run_id,
)

JANUARY_25 = date(2026, 1, 25)
LETTERS_AND_DIGITS = "abcxyzABCXYZ0123456789"

days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
dates_as_words = days.map(
    lambda day: f"{calendar.month_abbr[day.month].lower()}{day.day:02}-{day.year % 100:02}"
)
words = st.one_of(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True),
    dates_as_words,
    st.builds("{}-{}".format, dates_as_words, st.integers(0, 20)),
    st.sampled_from(["feb30-26-1", "jan25", "25-26", "1", "1x", "007", "Jan25-26-1"]),
)
parts_of_names = st.lists(words, min_size=1, max_size=4).map("-".join).map(lambda text: text[:40].rstrip("."))
numbers = st.one_of(st.integers(1, 30), st.integers(1, 10**30))


@st.composite
def run_names(draw: st.DrawFn) -> RunName:
    parts = draw(st.tuples(parts_of_names, days, numbers, st.none() | parts_of_names))
    try:
        return RunName(*parts)
    except InvalidNameError:
        assume(False)
        raise


@given(run_names())
def test_what_was_formatted_is_parsed_back(name):
    text = format_run_name(name)
    assert parse_run_name(text) == name
    assert check_name("run name", text) == text


@given(st.text(max_size=150) | st.lists(words, max_size=6).map("-".join))
@example("a-jan25-26-1-")
@example("a-jan25-26-1\n")
@example("-jan25-26-1")
@example("a-jan25-26-" + "9" * 5000)
@example("a-jan25-26-\N{ARABIC-INDIC DIGIT ONE}")
def test_any_text_is_no_name_or_exactly_the_one_that_its_parts_give(text):
    name = parse_run_name(text)
    assert name is None or format_run_name(name) == text


@given(parts_of_names, days, st.integers(1, 999), st.none() | parts_of_names)
def test_only_a_prefix_that_holds_a_date_is_refused(prefix, day, number, suffix):
    def holds_a_date():
        for month, dd, yy in re.findall(r"(?<=-)([a-z]{3})(\d\d)-(\d\d)-[1-9]\d*(?![^-])", prefix):
            try:
                dt.datetime.strptime(f"{month} {dd} 20{yy}", "%b %d %Y")  # noqa: DTZ007 - a day only
            except ValueError:
                continue
            if month.islower():
                return True
        return False

    whole = len(f"{prefix}-jan25-26-{number}" + (f"-{suffix}" if suffix else ""))
    assume(whole <= LONGEST_NAME)
    assume(prefix.partition(".")[0].lower() not in {"con", "prn", "aux", "nul"})
    if holds_a_date():
        with pytest.raises(InvalidNameError, match="date and number"):
            RunName(prefix, day, number, suffix)
    else:
        assert parse_run_name(format_run_name(RunName(prefix, day, number, suffix))).prefix == prefix


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hackmatrix-jax-jan25-26-1-ablation", RunName("hackmatrix-jax", JANUARY_25, 1, "ablation")),
        ("hackmatrix-jan05-26-12", RunName("hackmatrix", date(2026, 1, 5), 12)),
        ("a-jan25-26-1-feb01-26-2", RunName("a", JANUARY_25, 1, "feb01-26-2")),
        ("jan25-26-1-feb01-26-2", RunName("jan25-26-1", date(2026, 2, 1), 2)),
        ("a-feb30-26-1-feb01-26-2", RunName("a-feb30-26-1", date(2026, 2, 1), 2)),
        ("a-feb29-24-1", RunName("a", date(2024, 2, 29), 1)),
        ("a--jan25-26-1", RunName("a-", JANUARY_25, 1)),
        ("a-jan25-26-1-aux", RunName("a", JANUARY_25, 1, "aux")),
    ],
)
def test_the_first_date_is_the_runs(text, name):
    assert parse_run_name(text) == name
    assert format_run_name(name) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "a-jan25-26",
            "a-jan25-26-",
            "a-jan25-26-0",
            "a-jan25-26-007",
            "a-jan25-26-1x",
            "a-jan25-26--1",
        ),
        *(
            "a-jan25-26-1-",
            "a-jan25-26-1--x",
            "a-jan25-26-1-x.",
            "a-Jan25-26-1",
            "a-jan5-26-1",
            "a-jan32-26-1",
        ),
        *("a-feb29-26-1", "a-jan25-2026-1", "jan25-26-1", "-jan25-26-1", "a/b-jan25-26-1", "a-jan25-26-1\n"),
        *("a-mai25-26-1", "con.a-jan25-26-1", "a-jan25-26-" + "1" * 100),
    ],
)
def test_a_stranger_is_no_run_name(text):
    assert parse_run_name(text) is None


def test_months_are_english_whatever_the_locale():
    available = []
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            available.append(name)
            written = [format_run_name(RunName("a", date(2026, month, 1), 1)) for month in range(1, 13)]
            assert [text[2:5] for text in written] == [
                *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
            ]
    finally:
        locale.setlocale(locale.LC_TIME, before)
    assert available


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            run_names().map(format_run_name),
            st.builds(
                "{}-jan{}-26-{}{}".format,
                st.sampled_from(["a", "A", "a-b"]),
                st.sampled_from([24, 25]),
                st.integers(0, 10**80),
                st.sampled_from(["", "-x", "x", "-feb01-26-9"]),
            ),
        )
    ),
    st.sampled_from(["a", "a-b", "A"]),
)
def test_the_next_number_is_free_and_greater_than_all_of_its_day(folder, prefix):
    number = next_number(folder, prefix, JANUARY_25)
    name = format_run_name(RunName(prefix, JANUARY_25, number))
    on_a_disk_without_case = {text.lower() for text in folder}
    assert name.lower() not in on_a_disk_without_case
    for text in folder:
        other = parse_run_name(text)
        if other is not None and other.prefix == prefix and other.date == JANUARY_25:
            assert other.number < number
    assert next_number([*folder, name], prefix, JANUARY_25) == number + 1


def test_the_next_number_looks_at_suffixes_and_ignores_strangers():
    folder = [
        "a-jan25-26-1",
        "a-jan25-26-4-long",
        "a-jan25-26-9x",
        "a-jan25-26-007",
        "a-jan24-26-8",
        "b-jan25-26-7",
    ]
    assert next_number(folder, "a", JANUARY_25) == 5
    assert next_number([], "a", JANUARY_25) == 1
    assert next_number(["notes.txt", "jan25-26-3", ".DS_Store", "a\udcff-jan25-26-3"], "a", JANUARY_25) == 1


def test_numbers_of_any_size_are_counted_on():
    huge = int("9" * 80)
    assert next_number([f"a-jan25-26-{huge}"], "a", JANUARY_25) == huge + 1
    assert next_number(["a-jan25-26-" + "9" * 5000], "a", JANUARY_25) == 1


def test_a_number_that_makes_the_name_too_long_is_refused():
    with pytest.raises(InvalidNameError, match="at most 100"):
        RunName("a", JANUARY_25, 10**89)
    with pytest.raises(InvalidNameError, match="at most 100"):
        RunName("a", JANUARY_25, 10**5000)


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1"])
def test_a_number_is_an_integer_from_one(number):
    with pytest.raises(InvalidNameError, match="integer from 1"):
        RunName("a", JANUARY_25, number)


@pytest.mark.parametrize("year", [1999, 2100])
def test_a_year_that_two_digits_cannot_tell_is_refused(year):
    with pytest.raises(InvalidNameError, match=str(year)):
        RunName("a", date(year, 1, 25), 1)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True))
def test_an_id_is_the_beginning_of_the_md5(name):
    assert run_id(name) == hashlib.md5(name.encode()).hexdigest()[:8]


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}[A-Za-z0-9_-]", fullmatch=True))
def test_letters_digits_dots_and_dashes_are_a_name(text):
    assume(text.partition(".")[0].lower() not in {"con", "prn", "aux", "nul"})
    assume(not re.match(r"(com|lpt)[0-9](\.|\Z)", text, re.IGNORECASE))
    assert check_name("project", text) is text


@given(st.text(max_size=200))
def test_a_name_never_leaves_its_folder(text):
    try:
        check_name("project", text)
    except InvalidNameError as error:
        assert len(str(error)) < 500  # noqa: PT017 - the length of the message is what is tested
    else:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
        assert len(text) <= LONGEST_NAME
        assert not text.endswith(".")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../../x", "project '../../x' has '/' as character 3"),
        ("/tmp/x", "has '/' as character 1"),
        ("a b", "has ' ' as character 2"),
        ("a\n", r"has '\n' as character 2"),
        ("a\0", r"has '\x00' as character 2"),
        ("grün", "has 'ü' (U+00FC) as character 3"),
        ("\ud800", r"has '\ud800' (U+D800) as character 1"),
        ("", "project is empty"),
        ("..", "has '.' as character 1; begin with a letter or digit"),
        ("-rf", "has '-' as character 1"),
        ("_a", "has '_' as character 1"),
        ("a.", "has '.' as character 2; end without a dot"),
        ("NUL.txt", "is the name of a device on Windows"),
        ("com1", "is the name of a device on Windows"),
        ("x" * 101, "has 101 characters; at most 100"),
        ("x" * 5000, "(shortened) has 5000 characters; at most 100"),
        (None, "project is of type NoneType, expected a str: None"),
        (7, "project is of type int, expected a str: 7"),
        (b"a", "project is of type bytes, expected a str: b'a'"),
    ],
)
def test_a_refused_name_says_what_is_wrong_and_where(text, message):
    with pytest.raises(InvalidNameError) as caught:
        check_name("project", text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_part_of_a_name_may_be_called_like_a_device():
    assert check_name("suffix", "aux") == "aux"
    assert format_run_name(RunName("con", JANUARY_25, 1)) == "con-jan25-26-1"


@given(st.text(min_size=1))
def test_any_valid_text_is_a_tag(text):
    assume(not text.startswith("_"))
    if json.dumps(text, ensure_ascii=False) == f'"{text}"':
        assert check_tag(text) == text
    else:
        with pytest.raises(InvalidTagError, match="which JSON escapes"):
            check_tag(text)


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", "empty"),
        ("_step", "begins with '_'"),
        ('the "best" one', "has '\"' as character 5, which JSON escapes; leave it out"),
        ("two\nlines", r"has '\n' as character 4"),
        ("a\ud800b", r"'\ud800' (U+D800) as character 2"),
        (b"loss", "is of type bytes"),
        (None, "is of type NoneType"),
        (3, "is of type int"),
        ("_" + "x" * 1000, "(shortened)"),
    ],
)
def test_a_refused_tag_says_why(tag, message):
    with pytest.raises(InvalidTagError) as caught:
        check_tag(tag)
    assert message in str(caught.value)


def test_a_tag_that_is_more_than_text_becomes_plain_text():
    class Word(str):
        __slots__ = ()

    assert type(check_tag(Word("loss"))) is str
