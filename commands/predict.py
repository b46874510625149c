"""Predictions of the live endpoint, from one item, standard input or a table, to the screen or a table.

$ python run.py predict --config local.yaml "Shares fell after the central bank raised rates"
{"label": "business", "score": 0.98, "probabilities": {"business": 0.98, …}}
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evergreen.adapters.files.rows import Row, read_rows, table_format
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.table_writers import json_line, table_writer
from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError
from evergreen.core.members import host_of, servable
from evergreen.data.canonical import join
from evergreen.data.columns import match_columns

if TYPE_CHECKING:
    from evergreen.adapters.kinds import AnySource

Instance = dict[str, Any]


class Asked(NamedTuple):
    """What is asked, and how: `predict` gives predictions of instances, in order; `instance` makes one of an item.

    The instances of one request take `max_bytes` as JSON at most.
    """

    predict: Callable[[Sequence[Instance]], list[dict[str, Any]]]
    instance: Callable[[Any], Instance]
    max_bytes: int


PROGRESS_EVERY_S = 2.0
FORMULA_SIGNS = ("=", "+", "-", "@")


def main(args: argparse.Namespace) -> None:
    """Asks the endpoint and prints or writes what it answers."""
    if args.output and not args.input:
        raise InputError("--output takes the rows of a table; add --input FILE")
    if args.output:
        table_format(args.output)
        if args.output.resolve() == args.input.resolve():
            raise InputError(f"--output is the input itself, {args.output}; name another file")
    from commands.project import open_project
    from orchestration.deployment import open_endpoint

    project = open_project(args.config, args.name)
    endpoint = open_endpoint(project.model_name, project.host)
    asked = Asked(endpoint.predict, servable(project.task).instance, host_of(project.host).max_request_bytes)
    if args.input:
        fields = _fields(project.source, args.input)
        field = project.task.input_field
        columns = (args.column,) if args.column else fields.parts.get(field, (field,))
        tables = Tables(args.input, args.output, columns, fields)
        predict_table(asked, tables, args.batch_size)
    elif args.item is None or args.item == "-":
        predict_lines(asked, sys.stdin, args.batch_size)
    else:
        _print(asked.predict([asked.instance(args.item)]))


def _fields(source: AnySource, path: Path) -> FilesSettings:
    """How the table is read: as the source reads its files, or with no more than the columns of another source."""
    return FilesSettings(path=str(path), **source.model_dump(include=set(source.table_fields)))


class Tables:
    """Where rows come from and go to: `output` None is the screen, `columns` hold the items, `fields` the dialect."""

    def __init__(self, source: Path, output: Path | None, columns: str | Sequence[str], fields: FilesSettings) -> None:
        self.source, self.output, self.fields = source, output, fields
        self._wanted = dict.fromkeys([columns] if isinstance(columns, str) else columns, "--column")

    def item(self, row: Row) -> Any:
        """The item of a row; of several columns, their texts joined. Raises InputError when a column does not exist."""
        present = match_columns(self._wanted, list(row), str(self.source))
        values = [row[column] for column in present.values()]
        if len(values) == 1:
            return values[0]
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return join(texts, self.fields.text_separator)

    @property
    def is_for_spreadsheets(self) -> bool:
        """Whether the output is delimited text, which spreadsheets open."""
        return self.output is not None and table_format(self.output, self.fields) == "csv"

    def writer(self) -> Any:
        """Context manager that gives the writer of the output."""
        if self.output is None:
            return nullcontext(_Screen())
        schema_of = self.source if table_format(self.source, self.fields) == "parquet" else None
        return table_writer(self.output, self.fields, schema_of)


def predict_table(asked: Asked, tables: Tables, batch_size: int) -> None:
    """Every row with its prediction, a batch a request; the output file appears when all rows are in it.

    A batch has at most `batch_size` rows, and fewer where their items would fill more than one request.

    Raises:
        InputError: a row cannot be read or used; the message names it by its number, from 1.
    """
    progress, formulas = _Progress(), 0
    with tables.writer() as writer:
        instance = partial(_instance_of_row, asked, tables)
        batches = _batches(read_rows(tables.source, tables.fields), instance, batch_size, asked.max_bytes)
        for start, rows, instances in batches:
            predictions = _predict(asked, instances, f"{tables.source} row", start)
            writer.write([_joined(row, one) for row, one in zip(rows, predictions, strict=True)])
            formulas += sum(str(one.get("label", "")).startswith(FORMULA_SIGNS) for one in predictions)
            progress.report(start + len(rows))
        if not progress.rows:
            raise InputError(f"{tables.source} holds no rows")
    progress.end(str(tables.output or "the screen"))
    if formulas and tables.is_for_spreadsheets:
        signs = ", ".join(FORMULA_SIGNS[:-1])
        print(
            f"{formulas:,} labels begin with {signs} or {FORMULA_SIGNS[-1]}, which a spreadsheet takes for formulas: "
            f"open {tables.output} as text",
            file=sys.stderr,
        )


def predict_lines(asked: Asked, lines: Iterable[str], batch_size: int) -> None:
    """One prediction, as a line of JSON, for each line."""
    items = (line.rstrip("\n") for line in lines)
    for start, _, instances in _batches(items, asked.instance, batch_size, asked.max_bytes):
        _print(_predict(asked, instances, "line", start))


def _instance_of_row(asked: Asked, tables: Tables, row: Row) -> Instance:
    return asked.instance(tables.item(row))


def _predict(asked: Asked, instances: Sequence[Instance], where: str, start: int) -> list[dict[str, Any]]:
    """Predictions in order; an instance that cannot be used is named by its row in the input.

    Instances that are too much for one request are asked in two.
    """
    try:
        return asked.predict(instances)
    except RequestTooLargeError as error:
        half = len(instances) // 2
        if not half:
            raise InputError(f"{where} {start + 1} is too large for one request: {error}") from error
        first = _predict(asked, instances[:half], where, start)
        return first + _predict(asked, instances[half:], where, start + half)
    except InstanceError as error:
        raise InputError(f"{where} {start + error.index + 1}: {error.reason}") from error


def _batches(
    items: Iterable[Any], instance: Callable[[Any], Instance], size: int, max_bytes: int
) -> Iterator[tuple[int, list[Any], list[Instance]]]:
    """Up to `size` items whose instances fit into one request, the instances, and before both the first's position."""
    start, taken = 0, 0
    batch: list[tuple[Any, Instance]] = []
    for item in items:
        made = instance(item)
        item_bytes = _bytes_as_json(made)
        if batch and taken + item_bytes > max_bytes:
            yield start, *_unzipped(batch)
            start, taken, batch = start + len(batch), 0, []
        batch.append((item, made))
        taken += item_bytes
        if len(batch) == size:
            yield start, *_unzipped(batch)
            start, taken, batch = start + len(batch), 0, []
    if batch:
        yield start, *_unzipped(batch)


def _unzipped(pairs: Sequence[tuple[Any, Instance]]) -> tuple[list[Any], list[Instance]]:
    return [item for item, _ in pairs], [made for _, made in pairs]


def _bytes_as_json(instance: dict[str, Any]) -> int:
    return len(json.dumps(instance, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")) + 1


def _joined(row: Row, prediction: dict[str, Any]) -> Row:
    """The row and its prediction; a column that the row has already is kept, ours then starts with `predicted_`."""
    ours = {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for name, value in prediction.items()
    }
    return row | {f"predicted_{name}" if name in row else name: value for name, value in ours.items()}


def _print(predictions: Iterable[dict[str, Any]]) -> None:
    for one in predictions:
        print(json.dumps(one, ensure_ascii=False), flush=True)


class _Screen:
    """Rows as lines of JSON."""

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            print(json_line(row), end="")

    def close(self) -> None:
        sys.stdout.flush()


class _Progress:
    """Rows so far on stderr, every two seconds, over itself on a terminal."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.rows = 0

    def report(self, rows: int) -> None:
        self.rows = rows
        if time.monotonic() - self.told >= PROGRESS_EVERY_S:
            self.told = time.monotonic()
            end = "\r" if sys.stderr.isatty() else "\n"
            print(self._text(), end=end, file=sys.stderr, flush=True)

    def end(self, where: str) -> None:
        print(f"{self._text()} → {where}", file=sys.stderr)

    def _text(self) -> str:
        seconds = max(time.monotonic() - self.began, 1e-9)
        return f"{self.rows:,} rows in {seconds:,.1f} s ({self.rows / seconds:,.0f} rows/s)"
