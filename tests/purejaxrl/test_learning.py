"""PPO learns to balance the pole."""

from hackmatrix.purejaxrl import TrainConfig, train
from tests.purejaxrl.recording import RecordingTracker


def test_cartpole_reaches_475_within_300_000_steps() -> None:
    config = TrainConfig(
        env="gymnax:CartPole-v1",
        num_envs=16,
        num_steps=128,
        total_timesteps=300_000,
        learning_rate=1e-3,
        anneal_lr=False,
        ent_coef=0.0,
        seed=101,
    )
    tracker = RecordingTracker()
    result = train(config, [tracker])
    returns = [row["train/mean_episode_return"] for _, row in tracker.rows]
    assert result.env_steps == 299_008
    assert len(returns) == 15
    assert max(returns) >= 475
    assert returns[0] < 60
