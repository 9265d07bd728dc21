"""What must be equal for equal bits is told, flat and comparable."""

import json

import pytest

from hackmatrix.purejaxrl import platform


def test_facts_are_flat_and_fit_into_json() -> None:
    facts = platform.platform_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert all(isinstance(value, str | int) for value in facts.values())
    assert {"jaxlib", "device_kind", "instruction_set", "cpu_threads", "device_count"} <= set(facts)


def test_threads_are_those_that_xla_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPROC", "7")
    assert platform.cpu_threads() == 7
    for ignored in ("", "0", "many"):
        monkeypatch.setenv("NPROC", ignored)
        assert platform.cpu_threads() >= 1


def test_differences_name_what_changed() -> None:
    facts = platform.platform_facts()
    assert platform.differences(facts, dict(facts)) == {}
    other = {**facts, "cpu_threads": 96, "gone": "x", "device_count": 8, "process_count": 4}
    assert platform.differences(other, facts) == {
        "cpu_threads": (96, facts["cpu_threads"]),
        "gone": ("x", None),
    }
