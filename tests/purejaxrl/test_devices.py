"""The same run alone on one device, and beside another seed's on eight, to the bit; simulated devices.

Two devices are those of `tests/scripts/test_processes.py`; every number of them, at the default sizes, is in
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

# Before jax 0.9 a device that holds a single shard rounds otherwise (seen with 0.6.1 and 0.7.2, not with 0.9.0).
MANY = DEVICES if tuple(map(int, jax.__version__.split(".")[:2])) >= (0, 9) else DEVICES // 2
AGENTS = {1: 1, MANY: 2}  # on so many devices
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
    """All that the tests below look at; two programs are compiled."""
    import jax
    import numpy as np

    from hackmatrix.purejaxrl import (
        choose_layout,
        init_runner,
        load_checkpoint,
        make_environment,
        make_train_chunk,
        place,
        stack_agents,
    )
    from hackmatrix.purejaxrl.checkpoint import make_header, snapshot, write_checkpoint
    from tests.purejaxrl.states import copied

    config = small(**SHARDED)
    env = make_environment(config.env)
    layouts = {count: choose_layout(config, count, num_seeds=AGENTS[count]) for count in AGENTS}
    chunks = {count: make_train_chunk(config, env, layouts[count]) for count in AGENTS}
    start = init_runner(config, env, 2)

    def first_agent(count: int, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], copied(tree)) if AGENTS[count] > 1 else tree

    def train(count: int) -> dict[str, Any]:
        runner = place(copied(start) if AGENTS[count] > 1 else first_agent(MANY, start), layouts[count])
        figures = []
        for half in (3, 6):
            runner, packed = chunks[count](runner, 3)
            figures.append(np.asarray(packed[0] if AGENTS[count] > 1 else packed))
            state = snapshot(first_agent(count, runner))
            write_checkpoint(Path(folder) / f"{count}-{half}", state, make_header(config, half))
        copies = [
            {np.asarray(shard.data).tobytes() for shard in leaf.addressable_shards}
            for leaf in jax.tree.leaves((runner.params, runner.opt_state, jax.random.key_data(runner.key)))
        ]
        return {
            "state": digest(first_agent(count, runner)),
            "figures": digest(figures),
            "replicas agree": all(len(each) == 1 for each in copies),
            "devices": len(jax.tree.leaves(runner.episodes)[0].sharding.device_set),
        }

    def go_on(then: int, now: int) -> str:
        loaded = [load_checkpoint(Path(folder) / f"{then}-3", config, env) for _ in range(AGENTS[now])]
        runner = place(stack_agents(loaded) if len(loaded) > 1 else loaded[0], layouts[now])
        return digest(first_agent(now, chunks[now](runner, 3)[0]))

    return {
        "trained": {str(count): train(count) for count in AGENTS},
        "moved": [go_on(1, MANY), go_on(MANY, 1)],
        "programs": [chunk._cache_size() for chunk in chunks.values()],
        "gathers": _gathers(config, layouts[MANY], chunks[MANY], place(start, layouts[MANY])),
        "refusals": _refusals(),
        "defaults": [choose_layout(small(**{**SHARDED, "num_shards": n})).num_devices for n in (1, 2, 8, 16)],
    }


def _gathers(config: Any, layout: Any, chunk: Any, runner: Any) -> dict[str, Any]:
    """Numbers in each result of an all-gather of the compiled chunk, and of rows dealt by annotation alone."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    from hackmatrix.purejaxrl.layout import AXIS, _mesh

    split, whole = (NamedSharding(_mesh(layout), PartitionSpec(*axes)) for axes in ((AXIS,), ()))
    deal = jax.jit(lambda batch, rows: batch[rows], in_shardings=(split, whole), out_shardings=split)
    batch, rows = jnp.zeros((config.batch_size, 4)), jnp.zeros((config.batch_size,), jnp.int32)
    return {
        "leaves": [leaf[0].size for leaf in jax.tree.leaves(runner.params)],
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


def test_devices_and_other_seeds_change_no_bit(seen: Any) -> None:
    alone, beside = (seen["trained"][str(count)] for count in AGENTS)
    assert (alone["state"], alone["figures"]) == (beside["state"], beside["figures"])


def test_every_device_has_the_same_parameters_and_its_own_shards(seen: Any) -> None:
    assert all(each["replicas agree"] for each in seen["trained"].values())
    assert [each["devices"] for each in seen["trained"].values()] == list(AGENTS)


def test_a_checkpoint_goes_on_with_another_number_of_devices_to_the_bit(seen: Any) -> None:
    assert seen["moved"] == [seen["trained"]["1"]["state"]] * 2


def test_one_program_serves_all_chunks_on_each(seen: Any) -> None:
    assert seen["programs"] == [1] * len(AGENTS)


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
