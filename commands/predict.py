"""Predictions: of the live endpoint, from one item or standard input; of many rows by the champion itself.

$ python run.py predict --config local.yaml "Shares fell after the central bank raised rates"
{"label": "business", "score": 0.98, "probabilities": {"business": 0.98, …}}
$ python run.py predict --config local.yaml --input news.csv --output labelled.csv

An endpoint is asked without ZenML: what is imported here is what one text waits for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from commands.client import Client, batches, predict
from commands.garbage_collection import usual_garbage_collection
from evergreen.core.errors import InputError
from evergreen.core.members import host_of, servable


def main(args: argparse.Namespace) -> None:
    """Predicts, and prints or writes what comes of it."""
    _check(args)
    if args.input and not args.endpoint:
        from commands.predicted_batch import predict_batch

        predict_batch(args)
        return
    from orchestration.endpoints import open_endpoint
    from orchestration.served import load_served

    given = load_served(args.config, needed(table=args.input is not None), args.name).parameters
    endpoint = open_endpoint(given.model_name, given.host)
    client = Client(endpoint.predict, servable(given.task).instance, host_of(given.host).max_request_bytes)
    if args.input:
        from commands.predicted_table import Tables, fields_of, predict_table

        source, output = Path(args.input), Path(args.output) if args.output else None
        fields = fields_of(given.source, source)
        field = given.task.input_field
        columns = (args.column,) if args.column else fields.parts.get(field, (field,))
        tables = Tables(source, output, columns, fields)
        predict_table(client, tables, args.batch_size)
    elif args.item is None or args.item == "-":
        predict_lines(client, sys.stdin, args.batch_size)
    else:
        _print(client.predict([client.instance(args.item)]))


def needed(*, table: bool) -> dict[str, Any]:
    """The parameters that say which endpoint is asked of what, a type each; the rest of a configuration may be missing.

    How a table is read is the source's.
    """
    from evergreen.adapters.kinds import AnySource
    from evergreen.tasks import AnyTask
    from orchestration.served import SERVED

    return {**SERVED, "task": AnyTask, **({"source": AnySource} if table else {})}


def _check(args: argparse.Namespace) -> None:
    """Raises InputError for what does not go together."""
    if args.output and not args.input:
        raise InputError("--output takes the rows of a table; add --input FILE")
    given = {"--keep": args.keep, "--workers": args.workers, "--append": args.append}
    if unused := [name for name, value in given.items() if value and (args.endpoint or not args.input)]:
        raise InputError(f"{unused[0]} is for rows that the champion itself predicts: add --input, without --endpoint")
    if args.output and "://" not in args.output and Path(args.output).resolve() == Path(args.input).resolve():
        raise InputError(f"--output is the input itself, {args.output}; name another file")
    if args.output and args.endpoint:
        from evergreen.adapters.files.rows import table_format

        table_format(Path(args.output))


@usual_garbage_collection()
def predict_lines(client: Client, lines: Iterable[str], batch_size: int) -> None:
    """One prediction, as a line of JSON, for each line.

    Raises:
        InputError: a line cannot be used, or there is none.
    """
    items, asked = (line.rstrip("\n") for line in lines), 0
    for start, _, instances in batches(items, client.instance, batch_size, client.max_bytes):
        for predictions in predict(client, instances, "line", start):
            _print(predictions)
        asked = start + len(instances)
    if not asked:
        raise InputError(
            "standard input is empty; write a text, or the path of a picture, on each line of it, "
            "or give one as an argument, or a table with --input FILE"
        )


def _print(predictions: Iterable[dict[str, Any]]) -> None:
    for prediction in predictions:
        print(json.dumps(prediction, ensure_ascii=False), flush=True)
