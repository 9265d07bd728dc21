"""Stable-Baselines3's PPO on CartPole-v1 until its mean return is 475: `python sb3_cartpole.py SEED WINDOW`.

Runs in an interpreter that need not have anything of this repository; says after how many env steps it was there, or
that it was not. The settings are known to be good for it: short rollouts, many epochs, rates that fall. One thread:
its networks are so small that more of them slow it down.

WINDOW: over how many of the newest episodes the mean is taken.
"""

import sys

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

STEPS = 100_000


class UntilSolved(BaseCallback):
    """Looks after each rollout, where the mean is logged."""

    def _on_step(self) -> bool:
        episodes = self.model.ep_info_buffer
        full = len(episodes) == episodes.maxlen
        if (
            not full
            or self.n_calls % self.model.n_steps
            or sum(e["r"] for e in episodes) / len(episodes) < 475
        ):
            return True
        print(f"475 {self.num_timesteps}", flush=True)
        return False


def main() -> None:
    """Train."""
    seed, window = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    model = PPO(
        "MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=seed), n_steps=32, batch_size=256, n_epochs=20,
        learning_rate=lambda left: 1e-3 * left, clip_range=lambda left: 0.2 * left, gae_lambda=0.8, gamma=0.98,
        ent_coef=0.0, seed=seed, device="cpu", stats_window_size=window,
    )  # fmt: skip
    model.learn(STEPS, callback=UntilSolved())
    print(f"ended {STEPS}", flush=True)  # read only where nothing was said before


if __name__ == "__main__":
    main()
