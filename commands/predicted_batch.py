"""The rows of a file, a folder or a table predicted by the champion itself: no endpoint is asked."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from commands.garbage_collection import usual_garbage_collection
from commands.predicted_table import Progress
from evergreen.core.counted import counted
from evergreen.core.errors import InputError
from evergreen.core.spelled import spelled

if TYPE_CHECKING:
    from evergreen.core.batch import BatchReport


def predict_batch(args: argparse.Namespace) -> None:
    """Predicts all rows; without --output they are printed, as lines of JSON."""
    if args.output is not None:
        _predict(args, str(args.output), told=True)
        return
    with TemporaryDirectory(prefix="evergreen-predict-") as folder:
        lines = Path(folder) / "predictions.jsonl"
        _predict(args, str(lines), told=False)
        with lines.open(encoding="utf-8") as file:
            sys.stdout.writelines(file)


@usual_garbage_collection()
def _predict(args: argparse.Namespace, output: str, *, told: bool) -> None:
    from commands.project import check_stack
    from evergreen.adapters.kinds import AnySource
    from evergreen.batch.places import output_at, source_at
    from evergreen.batch.plan import Asked
    from evergreen.batch.settings import LocalBatch
    from evergreen.core.base import ModelName
    from orchestration.served import load_served

    configuration = load_served(args.config, {"model_name": ModelName, "source": AnySource}, args.name)
    given = configuration.parameters
    try:
        rows = source_at(args.input, given.source)
        place = output_at(output, given.source, append=args.append)
    except ValueError as error:  # pydantic's, of several lines
        raise InputError(f"--input or --output: {' '.join(str(error).split())}") from error
    check_stack(configuration)
    from orchestration.batch import predict_all

    progress = Progress()
    asked = Asked(rows, column=args.column, keep=args.keep)
    kept = "they are kept, and the same command goes on from there" if told else "add --output, and they are kept"
    with progress.told_when_cut_off(kept), spelled(_AS_TYPED):
        report = predict_all(given.model_name, asked, place, LocalBatch(workers=args.workers), progress.report)
    print(_line(report, told=told), file=sys.stderr)


_AS_TYPED = {
    "set source.path": "give another --input",
    "source.path": "--input",
    "source.columns, or keep": "source.columns, or --keep",
    "set keep": "set --keep",
    "correct the output": "correct --output",
    "output.write: append": "--append",
    "output.table": "--output",
}
"""What errors advise of a configuration that nobody wrote, and what a person typed instead."""


def _line(report: BatchReport, *, told: bool) -> str:
    where = report.output if told else "the screen"
    reasons = "".join(f"\n{counted(count, 'row'):>14}: {reason}" for reason, count in report.reasons.items())
    note = f"\n{report.note}" if report.note and told else ""
    return f"version {report.version} ({report.engine}): {report.done} → {where}{reasons}{note}"
