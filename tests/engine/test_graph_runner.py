"""The engine's way of running Rasa's graph says what Rasa's own says."""

from __future__ import annotations

from typing import Any

import pytest
from rasa.engine.exceptions import GraphComponentException
from rasa.engine.graph import ExecutionContext, GraphComponent, GraphSchema, SchemaNode
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.engine.storage.local_model_storage import LocalModelStorage

from bot.engine.graph_runner import PlainGraphRunner


class Adds(GraphComponent):
    """Adds what it is given to its own number."""

    def __init__(self, number: int) -> None:
        self.number = number

    @classmethod
    def create(cls, config: dict[str, Any], model_storage: Any, resource: Any, execution_context: Any) -> Adds:
        return cls(config["number"])

    def add(self, first: int, second: int = 0) -> int:
        return self.number + first + second

    def fail(self, first: int) -> int:
        raise RuntimeError("broken")


def node(number: int, needs: dict[str, str], fn: str = "add", target: bool = False) -> SchemaNode:
    return SchemaNode(needs=needs, uses=Adds, constructor_name="create", fn=fn, config={"number": number}, eager=True, is_target=target)


SCHEMA = GraphSchema({
    "a": node(1, {"first": "__given__"}), "b": node(10, {"first": "a"}), "c": node(100, {"first": "b", "second": "a"}, target=True),
    "broken": node(0, {"first": "a"}, fn="fail"),
})


@pytest.fixture(params=[DaskGraphRunner, PlainGraphRunner])
def runner(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    return request.param.create(SCHEMA, LocalModelStorage.create(tmp_path), ExecutionContext(SCHEMA))


def test_every_node_is_given_what_it_needs_and_only_what_was_asked_for_runs(runner: Any) -> None:
    assert runner.run({"__given__": 5}) == {"c": 100 + 16 + 6}
    assert runner.run({"__given__": 5}, ["b", "a"]) == {"b": 16, "a": 6}
    assert runner.run({"__given__": 6}, ["b"]) == {"b": 17}


def test_a_node_that_breaks_is_told_as_rasa_tells_it(runner: Any) -> None:
    with pytest.raises(GraphComponentException):
        runner.run({"__given__": 5}, ["broken"])
