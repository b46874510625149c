"""Cells as BigQuery's JSON writes and reads them: `{"f": [{"v": "World"}, {"v": "1767225600000000"}]}`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from cloudbox.bigquery.failures import BigQueryError, invalid
from cloudbox.bigquery.schemas import Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row_json(row: dict[str, Any], fields: Sequence[Field], exact: bool) -> dict[str, Any]:
    """The row as `tabledata.list` answers; timestamps are microseconds where `exact`, else seconds."""
    return {"f": [{"v": _cell(row[field["name"]], field, exact)} for field in fields]}


def _cell(value: Any, field: Field, exact: bool) -> Any:
    if field["mode"] == "REPEATED":
        return [{"v": _cell(element, field | {"mode": "NULLABLE"}, exact)} for element in value or []]
    if value is None:
        return None
    if field["type"] == "RECORD":
        return row_json(value, field["fields"], exact)
    if field["type"] == "TIMESTAMP":
        microseconds = (value - _EPOCH) // (datetime.resolution)
        return str(microseconds) if exact else repr(microseconds / 1e6)
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def parse_row(row: dict[str, Any], fields: Sequence[Field], ignore_unknown: bool) -> dict[str, Any]:
    """Python values of a row of JSON. Raises BigQueryError naming the column that cannot be used."""
    known = {field["name"].lower(): field for field in fields}
    unknown = [name for name in row if name.lower() not in known]
    if unknown and not ignore_unknown:
        raise _at(unknown[0], f"no such field: {unknown[0]}.")
    given = {name.lower(): value for name, value in row.items()}
    return {field["name"]: _parsed(given.get(name), field) for name, field in known.items()}


def _parsed(value: Any, field: Field) -> Any:
    name = field["name"]
    if field["mode"] == "REPEATED":
        if not isinstance(value, list | None):
            raise _at(name, f"Array specified for non-repeated field or no array for: {name}.")
        return [_parsed(element, field | {"mode": "REQUIRED"}) for element in value or []]
    if value is None:
        if field["mode"] == "REQUIRED":
            raise _at(name, f"Missing required field: {name}.")
        return None
    if field["type"] == "RECORD":
        return parse_row(value, field["fields"], ignore_unknown=False)
    try:
        return _READERS[field["type"]](value)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise _at(name, f"Cannot convert value to {field['type'].lower()} (bad value): {value}") from error


def _at(name: str, message: str) -> BigQueryError:
    return replace(invalid(message), location=name)


def _read_text(value: Any) -> str:
    if isinstance(value, dict | list | bool):
        raise TypeError(f"{type(value).__name__} is no text")
    return str(value)


def _read_boolean(value: Any) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def _read_timestamp(value: Any) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_READERS: dict[str, Callable[[Any], Any]] = {
    "STRING": _read_text,
    "BYTES": lambda value: base64.b64decode(value, validate=True),
    "INTEGER": int,
    "FLOAT": float,
    "BOOLEAN": _read_boolean,
    "TIMESTAMP": _read_timestamp,
    "DATETIME": datetime.fromisoformat,
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "NUMERIC": Decimal,
    "JSON": lambda value: value if isinstance(value, str) else json.dumps(value),
}
