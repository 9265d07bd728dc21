"""The default sizes on 1, 2, 4 and 8 devices, to the bit: ``python -m tests.purejaxrl.long_devices``."""

import sys
from typing import Any

from tests.purejaxrl.simulated import digest, run_simulated

HERE = "tests.purejaxrl.long_devices"
CARTPOLE = "gymnax:CartPole-v1"
CASES: tuple[dict[str, Any], ...] = (
    {"env": CARTPOLE, "num_shards": 8},
    {"env": CARTPOLE, "num_shards": 8, "hidden_dim": 256},
    {"env": CARTPOLE, "num_shards": 32, "hidden_dim": 256},
    {"env": "hackmatrix", "num_shards": 8},
    {"env": CARTPOLE, "num_shards": 8, "hidden_dim": 1024, "num_envs": 32, "num_steps": 16},
)


def states(changes: dict[str, Any], updates: int) -> list[str]:
    """A digest of state and figures after some updates, for each number of devices."""
    from hackmatrix.purejaxrl import (
        TrainConfig,
        choose_layout,
        init_runner,
        make_environment,
        make_train_chunk,
        place,
    )

    config = TrainConfig(**changes, log_interval=updates)
    env = make_environment(config.env)
    found = []
    for count in (1, 2, 4, 8):
        layout = choose_layout(config, count)
        runner = place(init_runner(config, env), layout)
        found.append(digest(make_train_chunk(config, env, layout)(runner, updates)))
    return found


def main() -> int:
    """Compare; 1 where a digest differs."""
    wrong = 0
    for case in CASES:
        found = run_simulated(f"{HERE}:states", case, 2, timeout=3600.0)
        equal = len(set(found)) == 1
        wrong += not equal
        print("equal" if equal else f"DIFFER {found}", case, flush=True)  # noqa: T201 - a command line
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
