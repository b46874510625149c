"""A batch prediction that stays at its output: `python -m tests.turn_holder OUTPUT RUN` says `begun`, then waits.

OUTPUT is the JSON of an output's settings. It goes on when its standard input ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import TypeAdapter

from evergreen.batch.job import Job, Told, run
from evergreen.batch.settings import AnyOutput
from evergreen.batch.turns import in_turn
from evergreen.core.batch import BatchReport
from tests.batches import job, keywords, texts


def main(given: str, name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AnyOutput)
    output = adapter.validate_json(given)

    def predict(made: Job, told: Told) -> BatchReport:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        sys.stdin.read()
        return run(made, 1, told)

    with TemporaryDirectory() as folder, keywords():
        rows = Path(folder) / "in.jsonl"
        rows.write_text("".join(f"{json.dumps(row)}\n" for row in texts(24)), encoding="utf-8")
        sys.stdout.write(f"{in_turn(job(rows, output), predict, run=name).rows}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
