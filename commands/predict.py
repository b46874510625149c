"""Predictions of the live endpoint, from one item, standard input or a table, to the screen or a table.

$ python run.py predict --config local.yaml "Shares fell after the central bank raised rates"
{"label": "business", "score": 0.98, "probabilities": {"business": 0.98, …}}

An endpoint is asked without ZenML: what is imported here is what one text waits for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from commands.client import Client, batches, predict
from commands.garbage_collection import usual_garbage_collection
from evergreen.core.errors import InputError
from evergreen.core.members import host_of, servable


def main(args: argparse.Namespace) -> None:
    """Asks the endpoint and prints or writes what it answers."""
    if args.output:
        _check_output(args)
    from orchestration.endpoints import open_endpoint
    from orchestration.served import load_served

    given = load_served(args.config, needed(table=args.input is not None), args.name).parameters
    endpoint = open_endpoint(given.model_name, given.host)
    client = Client(endpoint.predict, servable(given.task).instance, host_of(given.host).max_request_bytes)
    if args.input:
        from commands.predicted_table import Tables, fields_of, predict_table

        fields = fields_of(given.source, args.input)
        field = given.task.input_field
        columns = (args.column,) if args.column else fields.parts.get(field, (field,))
        tables = Tables(args.input, args.output, columns, fields)
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


def _check_output(args: argparse.Namespace) -> None:
    from evergreen.adapters.files.rows import table_format

    if not args.input:
        raise InputError("--output takes the rows of a table; add --input FILE")
    table_format(args.output)
    if args.output.resolve() == args.input.resolve():
        raise InputError(f"--output is the input itself, {args.output}; name another file")


@usual_garbage_collection()
def predict_lines(client: Client, lines: Iterable[str], batch_size: int) -> None:
    """One prediction, as a line of JSON, for each line.

    Raises:
        InputError: a line cannot be used, or there is none.
    """
    items, asked = (line.rstrip("\n") for line in lines), 0
    for start, _, instances in batches(items, client.instance, batch_size, client.max_bytes):
        _print(predict(client, instances, "line", start))
        asked = start + len(instances)
    if not asked:
        raise InputError(
            "standard input is empty; write a text, or the path of a picture, on each line of it, "
            "or give one as an argument, or a table with --input FILE"
        )


def _print(predictions: Iterable[dict[str, Any]]) -> None:
    for prediction in predictions:
        print(json.dumps(prediction, ensure_ascii=False), flush=True)
