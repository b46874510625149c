"""Predictions of the live endpoint, from text, standard input or a table, to the screen or a table.

$ python run.py predict --config local.yaml "Shares fell after the central bank raised rates"
{"label": "business", "score": 0.98, "probabilities": {"business": 0.98, …}}
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from commands.tables import Row, read_rows, table_format, table_writer
from evergreen.adapters.files.fields import FileFields
from evergreen.core.errors import EvergreenError, InputError, RequestTooLargeError
from evergreen.core.limits import MAX_BODY_BYTES

Ask = Callable[[Sequence[Any]], list[dict[str, Any]]]
"""Predictions of instances, in order: an endpoint's `predict`."""

INSTANCE = re.compile(r"instances\[(\d+)\]:? ?")
COLUMNS = ("label", "score", "probabilities")
PROGRESS_EVERY_S = 2.0
BATCH_BYTES = MAX_BODY_BYTES - 1024
"""What the instances of one request may take as JSON; the rest is for what stands around them."""


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

    project = open_project(args.config)
    ask = open_endpoint(project.model_name, project.host).predict
    if args.input:
        source = project.source
        fields = source if isinstance(source, FileFields) else FileFields(path=str(args.input))
        column = args.text_column or source.mapping.get("text", "text")
        predict_table(ask, Tables(args.input, args.output, column, fields), args.batch_size)
    elif args.text is None or args.text == "-":
        predict_lines(ask, sys.stdin, args.batch_size)
    else:
        _print(ask([{"text": args.text}]))


class Tables:
    """Where rows come from and go to: `output` None is the screen, `column` holds the text, `fields` the encoding."""

    def __init__(self, source: Path, output: Path | None, column: str, fields: FileFields) -> None:
        self.source, self.output, self.column, self.fields = source, output, column, fields

    def text(self, row: Row) -> Any:
        """The text of a row. Raises InputError when the column does not exist."""
        if self.column not in row:
            raise InputError(
                f"column '{self.column}' missing from {self.source} (has: {', '.join(row)}); set --text-column"
            )
        return row[self.column]

    def writer(self) -> Any:
        """Context manager that gives the writer of the output."""
        if self.output is None:
            return nullcontext(_Screen())
        schema_of = self.source if table_format(self.source) == "parquet" else None
        return table_writer(self.output, self.fields, schema_of)


def predict_table(ask: Ask, tables: Tables, batch_size: int) -> None:
    """Every row with its prediction, a batch a request; the output file appears when all rows are in it.

    A batch has at most `batch_size` rows, and fewer where their texts would fill more than one request.

    Raises:
        InputError: a row cannot be read or used; the message names it by its number, from 1.
    """
    progress = _Progress()
    with tables.writer() as writer:
        for start, rows in _batches(read_rows(tables.source, tables.fields), batch_size, tables.text):
            texts = [tables.text(row) for row in rows]
            predictions = _predict(ask, texts, f"{tables.source} row", start)
            writer.write([_joined(row, one) for row, one in zip(rows, predictions, strict=True)])
            progress.report(start + len(rows))
        if not progress.rows:
            raise InputError(f"{tables.source} holds no rows")
    progress.end(str(tables.output or "the screen"))


def predict_lines(ask: Ask, lines: Iterable[str], batch_size: int) -> None:
    """One prediction, as a line of JSON, for each line."""
    for start, texts in _batches((line.rstrip("\n") for line in lines), batch_size, str):
        _print(_predict(ask, texts, "line", start))


def _predict(ask: Ask, texts: Sequence[Any], where: str, start: int) -> list[dict[str, Any]]:
    """Predictions in order; an instance that cannot be used is named by its row in the input."""
    try:
        return ask([_instance(text) for text in texts])
    except RequestTooLargeError as error:
        if len(texts) == 1:
            raise InputError(f"{where} {start + 1} is too long for one request: {error}") from error
        raise InputError(f"{error}; set --batch-size lower, it sent {len(texts)} rows") from error
    except EvergreenError as error:
        match = INSTANCE.search(str(error))
        if match is None:
            raise
        raise InputError(f"{where} {start + int(match[1]) + 1}: {str(error)[match.end() :]}") from error


def _batches(items: Iterable[Any], size: int, text: Callable[[Any], Any]) -> Iterator[tuple[int, list[Any]]]:
    """Lists of up to `size` items whose texts fit into one request, each with the position of its first."""
    start, taken = 0, 0
    batch: list[Any] = []
    for item in items:
        item_bytes = _bytes_as_json(_instance(text(item)))
        if batch and taken + item_bytes > BATCH_BYTES:
            yield start, batch
            start, taken, batch = start + len(batch), 0, []
        batch.append(item)
        taken += item_bytes
        if len(batch) == size:
            yield start, batch
            start, taken, batch = start + len(batch), 0, []
    if batch:
        yield start, batch


def _instance(text: Any) -> dict[str, Any]:
    return {"text": text}


def _bytes_as_json(instance: dict[str, Any]) -> int:
    return len(json.dumps(instance, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")) + 1


def _joined(row: Row, prediction: dict[str, Any]) -> Row:
    """The row and its prediction; a column that the row has already is kept, ours then starts with `predicted_`."""
    ours = {name: prediction[name] for name in COLUMNS if name in prediction}
    if "probabilities" in ours:
        ours["probabilities"] = json.dumps(ours["probabilities"], ensure_ascii=False)
    return row | {f"predicted_{name}" if name in row else name: value for name, value in ours.items()}


def _print(predictions: Iterable[dict[str, Any]]) -> None:
    for one in predictions:
        print(json.dumps(one, ensure_ascii=False), flush=True)


class _Screen:
    """Rows as lines of JSON."""

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, default=str))

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
