"""One column's type as BigQuery's REST interface, DuckDB and Arrow call it.

{"name": "text", "type": "STRING", "mode": "NULLABLE"}  ↔  "text" VARCHAR  ↔  pa.field("text", pa.string())
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from cloudbox.bigquery.failures import invalid

Field = dict[str, Any]
"""A TableFieldSchema: `name`, `type`, `mode`, and `fields` of a RECORD."""

_ALIASES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD", "DECIMAL": "NUMERIC"}
_SCALARS: dict[str, tuple[str, pa.DataType]] = {
    "STRING": ("VARCHAR", pa.string()),
    "BYTES": ("BLOB", pa.binary()),
    "INTEGER": ("BIGINT", pa.int64()),
    "FLOAT": ("DOUBLE", pa.float64()),
    "BOOLEAN": ("BOOLEAN", pa.bool_()),
    "TIMESTAMP": ("TIMESTAMPTZ", pa.timestamp("us", tz="UTC")),
    "DATETIME": ("TIMESTAMP", pa.timestamp("us")),
    "DATE": ("DATE", pa.date32()),
    "TIME": ("TIME", pa.time64("us")),
    "NUMERIC": ("DECIMAL(38, 9)", pa.decimal128(38, 9)),
    "JSON": ("VARCHAR", pa.string()),
}
_FIXED_BYTES = {"INTEGER": 8, "FLOAT": 8, "BOOLEAN": 1, "TIMESTAMP": 8, "DATETIME": 8, "DATE": 8, "TIME": 8}
_FIXED_BYTES |= {"NUMERIC": 16}


def quoted(*names: str) -> str:
    """A DuckDB identifier, e.g. `"project"."dataset"."table"`."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def scalar_type(name: str) -> str:
    """The DuckDB type of a BigQuery scalar type. Raises BigQueryError for one that the box lacks."""
    known = _ALIASES.get(name.upper(), name.upper())
    if known not in _SCALARS:
        raise invalid(f"Invalid value for type: {name} is not a valid value (allowed: {', '.join(_SCALARS)}, RECORD)")
    return _SCALARS[known][0]


def normal_fields(fields: Sequence[Field]) -> list[Field]:
    """The fields with the names of types and modes that Google answers with; raises for unknown types."""
    normal = []
    for field in fields:
        kind = _ALIASES.get(field["type"].upper(), field["type"].upper())
        column = field | {"type": kind, "mode": field.get("mode", "NULLABLE").upper()}
        if kind == "RECORD":
            column["fields"] = normal_fields(field.get("fields", []))
        else:
            scalar_type(kind)
        normal.append(column)
    return normal


def duckdb_type(field: Field) -> str:
    """The type of the column in DuckDB, e.g. `BIGINT[]` for a repeated integer."""
    if field["type"] == "RECORD":
        inner = ", ".join(f"{quoted(child['name'])} {duckdb_type(child)}" for child in field["fields"])
        base = f"STRUCT({inner})"
    else:
        base = scalar_type(field["type"])
    return base + ("[]" if field["mode"] == "REPEATED" else "")


def duckdb_columns(fields: Sequence[Field]) -> str:
    """The column list of a CREATE TABLE."""
    required = {"REQUIRED": " NOT NULL"}
    return ", ".join(
        f"{quoted(field['name'])} {duckdb_type(field)}{required.get(field['mode'], '')}" for field in fields
    )


def arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    """The schema in which the Storage Read API sends the columns."""
    return pa.schema([_arrow_field(field) for field in fields])


def _arrow_field(field: Field) -> pa.Field:
    if field["type"] == "RECORD":
        base = pa.struct([_arrow_field(child) for child in field["fields"]])
    else:
        base = _SCALARS[field["type"]][1]
    if field["mode"] == "REPEATED":
        return pa.field(field["name"], pa.list_(pa.field("item", base)), nullable=False)
    return pa.field(field["name"], base, nullable=field["mode"] != "REQUIRED")


def fields_of(schema: pa.Schema) -> list[Field]:
    """The BigQuery columns of what DuckDB or a Parquet file gives."""
    return [_field_of(column.name, column.type) for column in schema]


def _field_of(name: str, kind: pa.DataType) -> Field:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _field_of(name, kind.value_type) | {"mode": "REPEATED"}
    if pa.types.is_struct(kind):
        inner = [_field_of(kind.field(index).name, kind.field(index).type) for index in range(kind.num_fields)]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
    return {"name": name, "type": _type_of(kind), "mode": "NULLABLE"}


def _type_of(kind: pa.DataType) -> str:
    is_count = pa.types.is_decimal(kind) and kind.scale == 0  # what DuckDB's sum of integers is; BigQuery's is INT64
    tests = {
        "INTEGER": pa.types.is_integer(kind) or pa.types.is_null(kind) or is_count,
        "FLOAT": pa.types.is_floating(kind),
        "NUMERIC": pa.types.is_decimal(kind),
        "BOOLEAN": pa.types.is_boolean(kind),
        "TIMESTAMP": pa.types.is_timestamp(kind) and kind.tz is not None,
        "DATETIME": pa.types.is_timestamp(kind),
        "DATE": pa.types.is_date(kind),
        "TIME": pa.types.is_time(kind),
        "BYTES": pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
        "STRING": pa.types.is_string(kind) or pa.types.is_large_string(kind),
    }
    if pa.types.is_dictionary(kind):
        return _type_of(kind.value_type)
    for name, holds in tests.items():
        if holds:
            return name
    raise invalid(f"no BigQuery type for {kind}")


def size_expression(field: Field, value: str) -> str:
    """SQL for the bytes that BigQuery counts for one value: 2 and the UTF-8 bytes of text, 8 for a number, …"""
    if field["mode"] == "REPEATED":
        element = size_expression(field | {"mode": "NULLABLE"}, "item")
        return f"coalesce(list_sum(list_transform({value}, lambda item: {element})), 0)"
    if field["type"] == "RECORD":
        inner = [size_expression(child, f"{value}.{quoted(child['name'])}") for child in field["fields"]]
        return f"({' + '.join(inner) or '0'})"
    fixed = _FIXED_BYTES.get(field["type"])
    counted = str(fixed) if fixed else f"2 + {'octet_length' if field['type'] == 'BYTES' else 'strlen'}({value})"
    return f"(CASE WHEN {value} IS NULL THEN 0 ELSE {counted} END)"
