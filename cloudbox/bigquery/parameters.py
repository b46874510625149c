"""Named query parameters: `@window_start` in the SQL becomes a typed DuckDB parameter, never text of the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from cloudbox.bigquery.failures import invalid_query, not_simulated
from cloudbox.bigquery.schemas import scalar_type


@dataclass(frozen=True)
class Parameters:
    """Values by name, as their JSON text, and the DuckDB type that each is cast to."""

    values: Mapping[str, Any]
    types: Mapping[str, str]

    @classmethod
    def of(cls, given: Sequence[dict[str, Any]]) -> Parameters:
        """From `queryParameters` of a request. Raises BigQueryError for positional ones and structs."""
        values, types = {}, {}
        for parameter in given:
            if not parameter.get("name"):
                raise not_simulated("positional query parameters")
            name = parameter["name"].lower()
            values[name], types[name] = _value_and_type(parameter["parameterType"], parameter.get("parameterValue", {}))
        return cls(values, types)

    def bind(self, tree: exp.Expr) -> exp.Expr:
        """The statement with each parameter cast to its type. Raises BigQueryError naming one that was not given."""

        def cast(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Parameter):
                return node
            name = node.name.lower()
            if name not in self.types:
                raise invalid_query(f"Query parameter '{node.name}' not found{position(node.this)}")
            value: exp.Expr = exp.Parameter(this=exp.var(name))
            if self.types[name] == "BLOB":
                value = exp.func("from_base64", value)
            return exp.Cast(this=value, to=exp.DataType.build(self.types[name], dialect="duckdb"))

        return tree.transform(cast)

    def used_in(self, tree: exp.Expr) -> dict[str, Any]:
        """The values that the bound statement names; DuckDB refuses others."""
        return {node.name.lower(): self.values[node.name.lower()] for node in tree.find_all(exp.Parameter)}


def position(node: exp.Expr | None) -> str:
    """` at [line:column]` as Google writes it, or nothing where the parser kept no position."""
    if node is None or "line" not in node.meta:
        return ""
    return f" at [{node.meta['line']}:{node.meta['col'] - len(node.name) + 1}]"


def _value_and_type(kind: dict[str, Any], value: dict[str, Any]) -> tuple[Any, str]:
    if kind["type"] == "STRUCT":
        raise not_simulated("query parameters of type STRUCT")
    if kind["type"] == "ARRAY":
        if kind["arrayType"]["type"] in ("STRUCT", "BYTES"):
            raise not_simulated(f"query parameters of type ARRAY<{kind['arrayType']['type']}>")
        elements = [element.get("value") for element in value.get("arrayValues", [])]
        return elements, scalar_type(kind["arrayType"]["type"]) + "[]"
    return value.get("value"), scalar_type(kind["type"])
