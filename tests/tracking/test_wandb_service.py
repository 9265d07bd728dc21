"""The stand-in of the W&B service itself: it answers what it knows, and notes everything else."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wandb_service import WandbService
from tests.wandb_service.graphql import Node, UnknownFieldError, connection, execute

START = (
    'mutation M { upsertBucket(input: {modelName: "p", entityName: "team", name: "r"}) { bucket { id } } }'
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[WandbService]:
    running = WandbService(tmp_path).start()
    yield running
    running.stop()


def post(service: WandbService, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    request = urllib.request.Request(service.base_url + path, json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def lines(offset: int, *rows: int) -> dict[str, Any]:
    content = [json.dumps({"_step": step}) for step in rows]
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/graphql", {"query": "query Q { viewer { shoeSize } }"}),
        ("/graphql", {"query": "query Q { shoes { size } }"}),
        ("/graphql", {"query": 'mutation M { deleteRun(input: {id: "r", force: 1}) { clientMutationId } }'}),
        ("/graphql", {"query": 'query Q { project(name: "p", colour: "red") { id } }'}),
        ("/somewhere/else", {}),
        ("/files/team/p/r/file_stream", {"shoes": 1}),
        ("/files/team/p/r/file_stream", lines(5, 1)),
    ],
)
def test_the_unknown_is_refused_and_noted(service, path, body) -> None:
    post(service, "/graphql", {"query": START})
    assert service.unknown == []
    assert post(service, path, body)[0] == 400
    assert len(service.unknown) == 1


def test_lines_sent_again_take_their_own_place_and_a_restart_keeps_them(service, tmp_path) -> None:
    post(service, "/graphql", {"query": START})
    stream = "/files/team/p/r/file_stream"
    for body in (lines(0, 1, 2), lines(1, 2, 3), lines(0, 1)):
        assert post(service, stream, body) == (200, {"stopped": False})
    assert [row["_step"] for row in service.history("team", "p", "r")] == [1, 2, 3]
    post(service, stream, {"complete": True, "exitcode": 1})
    service.stop()
    service.start()
    assert post(service, stream, lines(3, 4))[0] == 200
    assert [row["_step"] for row in WandbService(tmp_path).history("team", "p", "r")] == [1, 2, 3, 4]
    assert WandbService(tmp_path).run("team", "p", "r").exit_code == 1


def test_faults_meet_the_requests_that_they_are_meant_for(service) -> None:
    service.fault("500", "/graphql/Bad", times=1)
    assert post(service, "/graphql", {"query": "query Good { viewer { id } }"})[0] == 200
    assert [post(service, "/graphql", {"query": "query Bad { viewer { id } }"})[0] for _ in range(2)] == [
        500,
        200,
    ]
    service.state.key = "k" * 40
    assert post(service, "/graphql", {"query": "query Good { viewer { id } }"})[0] == 401


def test_a_reply_has_what_was_selected_under_its_alias() -> None:
    cat = Node("Cat", {"name": "Tom", "lives": lambda first=9: first}, interfaces=("Animal",))
    roots = {"query": Node("Query", {"cat": lambda: cat, "cats": connection([cat]), "none": None})}
    document = """
        query Q($n: Int = 7, $yes: Boolean!, $absent: Int) {
            tom: cat { __typename ...F ... on Dog { tail } left: lives(first: $n) lives(first: $absent) }
            cats { edges { node { name @include(if: $yes) lives @skip(if: $yes) } } }
            none { anything }
        }
        fragment F on Animal { name }
    """
    assert execute(document, {"yes": True}, roots) == {
        "tom": {"__typename": "Cat", "name": "Tom", "left": 7, "lives": 9},
        "cats": {"edges": [{"node": {"name": "Tom"}}]},
        "none": None,
    }
    with pytest.raises(UnknownFieldError, match=r"query Q: Cat\.tail"):
        execute("query Q { cat { tail } }", {}, roots)
