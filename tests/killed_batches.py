"""Kills batch predictions at ten moments and starts each again: `python -m tests.killed_batches files` prints JSON.

A moment is before a change of the file system below the output, or before a request to BigQuery; one more run without a
kill has counted them. A process is forked for each, which is quicker than ten that import all anew.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # Google's clients announce the end of Python versions

import pyarrow.parquet as pq  # noqa: E402 - after the filter
import requests  # noqa: E402 - after the filter
from google.cloud import bigquery  # noqa: E402 - after the filter

from evergreen.adapters.bigquery.output_settings import BigQueryOutput  # noqa: E402 - after the filter
from evergreen.adapters.bigquery.settings import BigQuerySettings  # noqa: E402 - after the filter
from evergreen.adapters.files.output_settings import FilesOutput  # noqa: E402 - after the filter
from evergreen.batch.job import Job, Told, run  # noqa: E402 - after the filter
from evergreen.batch.turns import in_turn  # noqa: E402 - after the filter
from evergreen.core.batch import BatchReport  # noqa: E402 - after the filter
from evergreen.core.kinds import Settings  # noqa: E402 - after the filter
from tests.batches import job, keywords, texts  # noqa: E402 - after the filter

MOMENTS = 10
ROWS = 24
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "shutil.copyfile"}


class Death:
    """Counts moments, and kills this process at one."""

    def __init__(self, moment: int | None) -> None:
        self.moment, self.seen = moment, 0

    def passes(self) -> None:
        self.seen += 1
        if self.seen == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


class FilesCase:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def output(self, number: int) -> Settings:
        kinds = ("out.csv", "out")
        place = self.folder / str(number)
        place.mkdir(exist_ok=True)
        return FilesOutput(path=str(place / kinds[number % 2]))

    def watch(self, death: Death) -> None:
        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            is_written = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wx"
            if (event in CHANGES or is_written) and str(self.folder) in str(arguments[0]):
                death.passes()

        sys.addaudithook(hook)

    def rows(self, number: int) -> list[dict[str, Any]]:
        place = self.folder / str(number)
        if number % 2:
            return [row for part in sorted((place / "out").glob("*")) for row in pq.read_table(part).to_pylist()]
        with (place / "out.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def left(self, number: int) -> list[str]:
        return [path.name for path in (self.folder / str(number)).rglob(".*")]


class BigQueryCase:
    project = "local-project"

    def output(self, number: int) -> Settings:
        write = ("replace", "append")[number % 2]
        return BigQueryOutput.model_validate({"project": self.project, "table": f"news.out{number}", "write": write})

    def watch(self, death: Death) -> None:
        whole = requests.Session.request

        def request(*arguments: Any, **named: Any) -> Any:
            death.passes()
            answer = whole(*arguments, **named)
            death.passes()
            return answer

        requests.Session.request = request  # type: ignore[method-assign]

    def rows(self, number: int) -> list[dict[str, Any]]:
        return [dict(row) for row in self._client().list_rows(f"news.out{number}")]

    def left(self, number: int) -> list[str]:
        names = [item.table_id for item in self._client().list_tables("news")]
        return [name for name in names if name.startswith(f"out{number}_") and not name.endswith("__lease")]

    def _client(self) -> Any:
        return bigquery.Client(project=self.project)


def forked(work: Callable[[], int]) -> int:
    """The status of a process of its own; what `work` returns is its exit code."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(99)
    return os.waitpid(child, 0)[1]


def predicted(case: FilesCase | BigQueryCase, source: Path, number: int, moment: int | None) -> int:
    """How many moments a run has; it is killed at one."""
    death = Death(moment)
    output = case.output(number)
    case.watch(death)
    with keywords():
        in_turn(job(source, output), _here)
    return death.seen


def _here(made: Job, told: Told) -> BatchReport:
    return run(made, 1, told)


def predicted_again(case: BigQueryCase, output: Path) -> list[Any]:
    """Predictions of what a table holds now; after all forks, for gRPC does not outlive one."""
    fields = {"project": case.project, "table": "news.out0", "columns": {"text": "text"}}
    with keywords():
        run(job(BigQuerySettings.model_validate(fields), output, keep=("id", "score")), workers=1)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return [(list(row), row["id"], row["label"]) for row in rows[:2]]


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"])
            writer.writeheader()
            writer.writerows(texts(ROWS))
        case = FilesCase(folder / "out") if arguments[0] == "files" else BigQueryCase()
        if isinstance(case, FilesCase):
            case.folder.mkdir()
        counts = [os.waitstatus_to_exitcode(forked(partial(predicted, case, source, n, None))) for n in (100, 101)]
        report: dict[str, Any] = {"moments": counts, "cases": []}
        for number in range(MOMENTS):
            moment = 1 + counts[number % 2] * number // MOMENTS
            ended = forked(partial(predicted, case, source, number, moment))
            again = os.waitstatus_to_exitcode(forked(partial(predicted, case, source, number, None)))
            written = [(row["id"], row["label"] or None, row["error"] or None) for row in case.rows(number)]
            case_report = {
                "killed": os.WIFSIGNALED(ended),
                "again": 0 < again < 99,
                "left": case.left(number),
                "rows": written,
            }
            report["cases"].append(case_report)
        if isinstance(case, BigQueryCase):
            report["read"] = predicted_again(case, folder / "again.jsonl")
        sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1:])
