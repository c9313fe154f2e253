"""Runs Rasa's prediction graph: a handful of nodes, one after another in this thread.

Rasa hands each run to dask, which builds and schedules its graph anew every time; for five nodes that costs more than some of them.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.exceptions import GraphRunError
from rasa.engine.graph import GraphNode
from rasa.engine.runner.dask import DaskGraphRunner


class PlainGraphRunner(DaskGraphRunner):
    """The nodes and results are those of `DaskGraphRunner`; the order is worked out once for each set of targets."""

    _orders: dict[tuple[str, ...], list[tuple[GraphNode, str, tuple[str, ...]]]] | None = None

    def run(self, inputs: dict[str, Any] | None = None, targets: list[str] | None = None) -> dict[str, Any]:
        """See ``GraphRunner.run``. Raises ``GraphRunError`` as Rasa's runner does."""
        wanted = tuple(targets or self._graph_schema.target_names)
        self._orders = self._orders if self._orders is not None else {}
        if wanted not in self._orders:
            self._orders[wanted] = self._order(wanted)
        values: dict[str, Any] = {name: (name, value) for name, value in (inputs or {}).items()}
        try:
            for node, name, needs in self._orders[wanted]:
                values[name] = node(*(values.get(need, need) for need in needs))
        except RuntimeError as error:
            raise GraphRunError("Error running runner.") from error
        return dict(values[name] for name in wanted)

    def _order(self, wanted: tuple[str, ...]) -> list[tuple[GraphNode, str, tuple[str, ...]]]:
        """The nodes that ``wanted`` need, each behind those that it needs itself."""
        nodes = self._graph_schema.minimal_graph_schema(list(wanted)).nodes
        order: dict[str, tuple[str, ...]] = {}

        def visit(name: str) -> None:
            if name in nodes and name not in order:
                needs = tuple(nodes[name].needs.values())
                for need in needs:
                    visit(need)
                order[name] = needs

        for name in wanted:
            visit(name)
        return [(self._instantiated_nodes[name], name, needs) for name, needs in order.items()]
