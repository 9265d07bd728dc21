"""Steps of the fast game held against the slow model of the rules, position by position."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import oracle
from playing import Transition, record_games, record_positions

KEPT_FINDINGS = 20
INFO_KEYS = {
    *oracle.REWARD_PARTS,
    *("stage", "score", "hp", "stage_completed", "player_died", "game_won", "invalid_action"),
}


@dataclass(frozen=True)
class Finding:
    """A step on which the two games disagree."""

    before: oracle.Position
    action: int
    differences: list[str]

    def __str__(self) -> str:
        lines = "\n".join(f"  {difference}" for difference in self.differences)
        return f"action {self.action} in {json.dumps(self.before)}\n{lines}"


@dataclass
class Report:
    """How much was compared, what happened in it, and where the two games disagree."""

    transitions: int = 0
    disagreements: int = 0
    findings: list[Finding] = field(default_factory=list)
    """The first few disagreements."""
    legal_actions: Counter[int] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        head = f"{self.disagreements} of {self.transitions} steps disagree; {dict(self.events)}"
        return "\n".join([head, *map(str, self.findings)])


def compare_games(num_games: int, steps: int, seed: int) -> Report:
    """Play games with both rules and compare ``num_games * steps`` steps."""
    return judge(record_games(num_games, steps, seed))


def compare_positions(num_positions: int, seed: int) -> Report:
    """Compare every legal action, and some others, of many hand-set positions."""
    return judge(record_positions(num_positions, seed))


def judge(transitions: Iterable[Transition]) -> Report:
    """Hold every step against the slow model."""
    report = Report()
    looked_at: Any = None
    for transition in transitions:
        report.transitions += 1
        differences = []
        if transition.before is not looked_at:  # the cases of one position follow each other
            looked_at = transition.before
            differences += _view_differences(transition)
        differences += _step_differences(transition)
        if differences:
            report.disagreements += 1
            if len(report.findings) < KEPT_FINDINGS:
                report.findings.append(Finding(transition.before, transition.action, differences))
        _count(report, transition)
    return report


def _view_differences(transition: Transition) -> list[str]:
    before = transition.before
    return [
        *_unequal("mask", oracle.action_mask(before), transition.mask.tolist()),
        *_unequal_arrays("observe", oracle.flatten(oracle.observe(before)), transition.shown_before),
    ]


def _step_differences(transition: Transition) -> list[str]:
    after, info = transition.after, transition.info
    try:
        expected = oracle.step(transition.before, transition.action, after)
    except oracle.RuleViolation as violation:
        return [f"drawn against the rules: {violation}"]
    shown = oracle.flatten(oracle.observe(expected.position))
    got_info = {key: info[key].item() for key in expected.info if key in info}
    return [
        *_unequal("position", expected.position, after),
        *_unequal_arrays("observation", shown, transition.shown_after),
        *_unequal("info keys", sorted(INFO_KEYS), sorted(info)),
        *_unequal("info", expected.info, got_info),
        *_unequal("done", expected.done, bool(transition.done)),
        *_reward_differences(expected.components, transition),
    ]


def _reward_differences(components: dict[str, float], transition: Transition) -> Iterator[str]:
    """Within float32 rounding: how products and sums are rounded on the way is free."""
    for name, expected in components.items():
        got = transition.info.get(name, np.float32(np.nan))
        if got.dtype != np.float32 or not abs(float(got) - expected) <= 3e-7 * max(1, abs(expected)):
            yield f"{name}: expected {expected}, got {got!r}"
    total, size = sum(components.values()), sum(map(abs, components.values()))
    if transition.reward.dtype != np.float32 or not abs(float(transition.reward) - total) <= 1e-6 * max(
        1, size
    ):
        yield f"reward: expected {total}, got {transition.reward!r}"


def _unequal(path: str, expected: Any, got: Any) -> Iterator[str]:
    """The smallest differing parts; compared as JSON, so that 1 and true differ, and foreign numbers fail."""
    if json.dumps(expected, sort_keys=True) == json.dumps(got, sort_keys=True):
        return
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        for key in expected:
            yield from _unequal(f"{path}.{key}", expected[key], got[key])
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from _unequal(f"{path}[{index}]", one, other)
    else:
        yield f"{path}: expected {expected}, got {got}"


def _unequal_arrays(path: str, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    if got.dtype != np.float32 or got.shape != expected.shape:
        yield f"{path}: expected float32 {expected.shape}, got {got.dtype} {got.shape}"
        return
    for index in np.flatnonzero(expected != got)[:10]:
        place = f"player {index}" if index < 10 else f"program {index - 10}"
        if index >= 33:
            place = "grid [{}, {}, {}]".format(*np.unravel_index(index - 33, (6, 6, 42)))
        yield f"{path} {place}: expected {expected[index]!r}, got {got[index]!r}"


def _count(report: Report, transition: Transition) -> None:
    """What the steps were about, so that a test can ask whether anything of interest happened."""
    if not transition.info["invalid_action"]:
        report.legal_actions[transition.action] += 1
    report.events.update(name for name, it_did in _events(transition).items() if it_did)


def _events(transition: Transition) -> dict[str, bool]:
    before, after, info = transition.before, transition.after, transition.info
    completed, invalid = bool(info["stage_completed"]), bool(info["invalid_action"])
    due = after["next_scheduled_task_turn"] not in (
        before["next_scheduled_task_turn"],
        before["next_scheduled_task_turn"] + 5,
    )
    born = sum(one["turns_remaining"] == 1 for one in before["transmissions"]) * (
        after["turn"] > before["turn"]
    )
    slots = {one["slot"] for one in after["transmissions"]}
    return {
        "illegal": invalid,
        "ended before": oracle.has_ended(before),
        "stage completed": completed,
        "stage completed by WARP": completed and transition.action == 8,
        "died": info["player_died"],
        "died on the exit": info["player_died"] and completed,
        "won": info["game_won"],
        "siphoned": len(after["siphon_centers"]) > len(before["siphon_centers"]),
        "born": born > 0,
        "born in vain": born + len(before["enemies"]) > 21 and not completed,
        "schedule due": due,
        "schedule due without a slot": due
        and not completed
        and len(slots) == len(before["transmissions"]) == 20,
        "schedule due without a cell": due
        and not completed
        and len(before["blocks"]) == 36
        and all(not block["siphoned"] for block in before["blocks"]),
        **{name: info.get(name, 0) != 0 for name in oracle.REWARD_PARTS},
    }
