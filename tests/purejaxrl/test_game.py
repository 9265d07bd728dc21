"""The game of this repository, trained like any other environment."""

import numpy as np

from hackmatrix.jax_env import REWARD_PARTS
from hackmatrix.purejaxrl import TrainConfig, train
from tests.purejaxrl.recording import RecordingTracker


def test_the_game_is_trained_and_tells_what_it_declares() -> None:
    config = TrainConfig(
        env="hackmatrix", num_envs=4, num_steps=32, total_timesteps=256, hidden_dim=8, max_episode_steps=20
    )
    tracker = RecordingTracker()
    train(config, [tracker])
    ((step, row),) = tracker.rows
    assert step == 2
    parts = [row[f"reward/{name}"] for name in REWARD_PARTS]
    np.testing.assert_allclose(sum(parts), row["train/mean_reward"], rtol=1e-4, atol=1e-5)
    kinds = [row[f"actions/{kind}_frac"] for kind in ("move", "siphon", "program")]
    np.testing.assert_allclose(sum(kinds), 1.0, rtol=1e-6)
    assert row["train/num_episodes"] >= 8, "none of four games goes on for more than 20 steps"
    assert 1 <= row["train/mean_episode_length"] <= 20
    assert {"stats/highest_stage", "stats/mean_score", "stats/win_rate"} <= row.keys()
