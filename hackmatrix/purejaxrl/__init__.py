"""PPO as compiled chunks of updates, with effects between the chunks."""
