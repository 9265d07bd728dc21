"""The same run on one device and on eight, and beside another seed's on four, to the bit; simulated devices.

Two devices are those of `tests/scripts/test_processes.py`; all numbers of them at the default sizes, those of
`long_devices.py`.
"""

import math
import re
from pathlib import Path
from typing import Any

import jax
import pytest

from hackmatrix.purejaxrl.config import ConfigError
from tests.purejaxrl.simulated import DEVICES, digest, run_simulated
from tests.purejaxrl.states import small

COUNTS = (1, DEVICES)
SEEDS, SEEDS_ON = 2, 4  # agents, devices
# Before jax 0.9 a device that holds a single shard rounds otherwise (seen with 0.6.1 and 0.7.2, not with 0.9.0).
EQUAL = tuple(map(int, jax.__version__.split(".")[:2])) >= (0, 9)
HERE = "tests.purejaxrl.test_devices"
SHARDED: dict[str, Any] = {
    "num_envs": 32,
    "num_steps": 16,
    "total_timesteps": 512 * 6,
    "num_shards": 8,
    "hidden_dim": 24,  # no power of two, so that a size tells what it is of
    "num_layers": 2,
    "log_interval": 3,
}


# Inside the process with eight devices.


def everything(folder: str) -> dict[str, Any]:
    """All that the tests below look at; three programs are compiled."""
    import jax
    import numpy as np

    from hackmatrix.purejaxrl import (
        choose_layout,
        init_runner,
        load_checkpoint,
        make_environment,
        make_train_chunk,
        place,
    )
    from hackmatrix.purejaxrl.checkpoint import make_header, snapshot, write_checkpoint
    from tests.purejaxrl.states import copied

    config = small(**SHARDED)
    env = make_environment(config.env)
    layouts = {count: choose_layout(config, count) for count in COUNTS}
    chunks = {count: make_train_chunk(config, env, layouts[count]) for count in COUNTS}

    def train(count: int) -> dict[str, Any]:
        runner, figures = place(init_runner(config, env), layouts[count]), []
        for half in (3, 6):
            runner, packed = chunks[count](runner, 3)
            figures.append(np.asarray(packed))
            write_checkpoint(Path(folder) / f"{count}-{half}", snapshot(runner), make_header(config, half))
        copies = [
            {np.asarray(shard.data).tobytes() for shard in leaf.addressable_shards}
            for leaf in jax.tree.leaves((runner.params, runner.opt_state, jax.random.key_data(runner.key)))
        ]
        return {
            "state": digest(runner),
            "figures": digest(figures),
            "replicas agree": all(len(each) == 1 for each in copies),
            "devices": len(jax.tree.leaves(runner.episodes)[0].sharding.device_set),
        }

    def go_on(then: int, now: int) -> str:
        runner = load_checkpoint(Path(folder) / f"{then}-3", config, env)
        return digest(chunks[now](place(runner, layouts[now]), 3)[0])

    def first_of_seeds() -> str:
        layout = choose_layout(config, SEEDS_ON, num_seeds=SEEDS)
        chunk, agents = make_train_chunk(config, env, layout), place(init_runner(config, env, SEEDS), layout)
        for _ in range(2):
            agents, _ = chunk(agents, 3)
        return digest(jax.tree.map(lambda leaf: leaf[0], copied(agents)))

    return {
        "trained": {str(count): train(count) for count in COUNTS},
        "moved": {f"{then} to {now}": go_on(then, now) for then, now in (COUNTS, COUNTS[::-1])},
        "beside another": first_of_seeds(),
        "programs": [chunk._cache_size() for chunk in chunks.values()],
        "gathers": _gathers(config, env, layouts[DEVICES], chunks[DEVICES]),
        "refusals": _refusals(),
        "defaults": [choose_layout(small(**{**SHARDED, "num_shards": n})).num_devices for n in (1, 2, 8, 16)],
    }


def _gathers(config: Any, env: Any, layout: Any, chunk: Any) -> dict[str, Any]:
    """Numbers in each result of an all-gather of the compiled chunk, and of rows dealt by annotation alone."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    from hackmatrix.purejaxrl import init_runner, place
    from hackmatrix.purejaxrl.layout import AXIS, _mesh

    runner = place(init_runner(config, env), layout)
    split, whole = (NamedSharding(_mesh(layout), PartitionSpec(*axes)) for axes in ((AXIS,), ()))
    deal = jax.jit(lambda batch, rows: batch[rows], in_shardings=(split, whole), out_shardings=split)
    batch, rows = jnp.zeros((config.batch_size, 4)), jnp.zeros((config.batch_size,), jnp.int32)
    return {
        "leaves": [leaf.size for leaf in jax.tree.leaves(runner.params)],
        "sharded": gathered_sizes(chunk.lower(runner, 3).compile().as_text()),
        "naive": gathered_sizes(deal.lower(batch, rows).compile().as_text()),
    }


def gathered_sizes(program: str) -> list[int]:
    """Numbers in each array that an all-gather of this HLO text gives."""
    sizes = []
    for line in program.splitlines():
        found = re.search(r" = (.*?) all-gather(-start)?\(", line)
        if found:
            shapes = re.findall(r"[a-z]\w*\[([\d,]*)\]", found.group(1))
            sizes += [math.prod(int(size) for size in shape.split(",") if size) for shape in shapes]
    return sizes


def _refusals() -> list[str]:
    from hackmatrix.purejaxrl import choose_layout

    said = []
    for shards, devices in ((8, 3), (8, 16), (4, 8), (4, 0)):
        try:
            choose_layout(small(**{**SHARDED, "num_shards": shards}), devices)
        except ConfigError as error:
            said.append(str(error))
    return said


# Outside.


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_simulated(f"{HERE}:everything", str(tmp_path_factory.mktemp("devices")))


def test_devices_change_no_bit(seen: Any) -> None:
    one, many = (seen["trained"][str(count)] for count in COUNTS)
    assert not EQUAL or (one["state"], one["figures"]) == (many["state"], many["figures"])


def test_several_devices_and_several_seeds_at_once_change_no_bit(seen: Any) -> None:
    assert seen["beside another"] == seen["trained"]["1"]["state"]


def test_every_device_has_the_same_parameters_and_its_own_shards(seen: Any) -> None:
    assert all(each["replicas agree"] for each in seen["trained"].values())
    assert [each["devices"] for each in seen["trained"].values()] == list(COUNTS)


def test_a_checkpoint_goes_on_with_another_number_of_devices_to_the_bit(seen: Any) -> None:
    undisturbed = seen["trained"]["1"]["state"]
    for move, state in seen["moved"].items():
        assert not EQUAL or state == undisturbed, move


def test_one_program_serves_all_chunks_on_each(seen: Any) -> None:
    assert seen["programs"] == [1] * len(COUNTS)


def test_nothing_of_a_batch_is_gathered(seen: Any) -> None:
    """What travels is each shard's gradient, leaf by leaf, and its sums. Annotating shardings gathers games."""
    found = seen["gathers"]
    allowed = {SHARDED["num_shards"] * size for size in (1, *found["leaves"])}
    assert found["sharded"], "there is something to look at"
    assert set(found["sharded"]) <= allowed
    assert not set(found["naive"]) <= allowed, "the look can see what should not be gathered"


def test_devices_that_do_not_divide_are_refused_with_those_that_do(seen: Any) -> None:
    assert seen["refusals"] == [
        "num_devices = 3 must divide num_shards = 8, and there are 8; 1 or 2 or 4 or 8 would do",
        "num_devices = 16 must divide num_shards = 8, and there are 8; 1 or 2 or 4 or 8 would do",
        "num_devices = 8 must divide num_shards = 4, and there are 8; 1 or 2 or 4 would do",
        "num_devices = 0 must divide num_shards = 4, and there are 8; 1 or 2 or 4 would do",
    ]


def test_all_devices_that_divide_the_shards_are_the_default(seen: Any) -> None:
    assert seen["defaults"] == [1, 2, 8, 8]
