"""A chunk: up to ``log_interval`` updates in one compiled program."""

from typing import Protocol

import jax
import jax.numpy as jnp

from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.layout import Layout, for_agents, on_devices
from hackmatrix.purejaxrl.metrics import packed_width
from hackmatrix.purejaxrl.runner import Runner, make_parts
from hackmatrix.purejaxrl.update import update

_ONE_DEVICE = Layout()


class Chunk(Protocol):
    """``chunk(runner, n)``: n more updates, n <= log_interval. The runner given is used up."""

    def __call__(self, runner: Runner, n: int, /) -> tuple[Runner, jax.Array]:
        """Return at once the runner to be and the figures (log_interval, column), zero from row n on.

        Of several agents runner and figures are (seed, ...).
        """


def make_train_chunk(config: TrainConfig, env: Environment, layout: Layout = _ONE_DEVICE) -> Chunk:
    """Make the run's one compiled program. Every length up to ``log_interval`` is served by it.

    All that an update does is inside the loop's body, so how updates are cut into chunks changes no bit.

    Args:
        config: the run's.
        env: the run's.
        layout: where its shards lie; the runner must lie there (:func:`~hackmatrix.purejaxrl.layout.place`).
    """
    parts = make_parts(config, env, layout.num_devices)
    capacity, width = config.log_interval, packed_width(env)

    def chunk(runner: Runner, n: jax.Array) -> tuple[Runner, jax.Array]:
        def one_update(carry: tuple[jax.Array, Runner, jax.Array]) -> tuple[jax.Array, Runner, jax.Array]:
            done, runner, figures = carry
            runner, packed = update(parts, runner)
            return done + 1, runner, jax.lax.dynamic_update_index_in_dim(figures, packed, done, 0)

        start = jnp.zeros((), jnp.int32), runner, jnp.zeros((capacity, width), jnp.float32)
        _, runner, figures = jax.lax.while_loop(lambda carry: carry[0] < n, one_update, start)
        return runner, figures

    return jax.jit(on_devices(for_agents(chunk, layout), layout), donate_argnums=0)


def chunk_length(config: TrainConfig, finished: int) -> int:
    """Updates until the next multiple of ``log_interval``, or until the last update."""
    until = (finished // config.log_interval + 1) * config.log_interval
    return min(until, config.num_updates) - finished
