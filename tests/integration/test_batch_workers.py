"""Batch prediction by processes of their own, its memory as rows grow, and pictures."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from bench.untrained import small_encoder, untrained
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch.job import Job, run
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.work import Model
from evergreen.core.errors import EvergreenError
from evergreen.tasks import load_task
from tests.batches import job as keyword_job
from tests.batches import keywords, texts
from tests.killed_batches import forked
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
WORDS = ["goal", "match", "bank", "stocks", "vote"]
FEW, MANY = 1_000, 20_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    trained = untrained(folder / "model", small_encoder(folder / "encoder", WORDS), 32)
    return Model(str(trained.path), trained.version, ({"text": "a goal"},))


def job(model: Model, source: Path, output: Path, **asked: Any) -> Job:
    rows = FilesSettings(path=str(source))
    return job_of("news", model, load_task(Path(model.place)), Asked(rows, **asked), FilesOutput(path=str(output)))


def workers_of_this_process() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def write(path: Path, rows: int) -> Path:
    path.write_text("id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in texts(rows)), encoding="utf-8")
    return path


def test_processes_answer_as_one_does_and_a_job_goes_on_whichever_it_was(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", 60)
    report = run(job(model, source, tmp_path / "two.csv", shard_rows=10), workers=2)
    assert (report.rows, report.unusable, report.parts, report.runner) == (60, 8, 6, "2 processes")
    assert report.engine == "torch"
    run(job(model, source, tmp_path / "one.csv", shard_rows=10), workers=1)
    assert (tmp_path / "two.csv").read_text() == (tmp_path / "one.csv").read_text()
    assert workers_of_this_process() == []


def test_a_killed_command_leaves_no_process_and_goes_on(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", 4_000)
    code = (
        "from pathlib import Path; from evergreen.batch.job import run; from evergreen.batch.work import Model\n"
        "from tests.integration.test_batch_workers import job\n"
        f"model = Model({model.place!r}, {model.version!r}, ({{'text': 'a goal'}},))\n"
        f"run(job(model, Path({str(source)!r}), Path({str(tmp_path / 'out')!r}), shard_rows=100), workers=2)\n"
    )
    script = tmp_path / "predict.py"
    script.write_text(f"if __name__ == '__main__':\n    {code.replace(chr(10), chr(10) + '    ')}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env=environment) as process:
        wait_until(lambda: len(list((tmp_path / "out").glob("*.parquet"))) >= 2, timeout_s=120)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    report = run(job(model, source, tmp_path / "out", shard_rows=100), workers=1)
    assert report.rows == 4_000
    assert 0 < report.predicted < 4_000
    parts = sorted((tmp_path / "out").glob("*.parquet"))
    ids = [name for part in parts for name in pq.read_table(part)["id"].to_pylist()]
    assert ids == [str(number) for number in range(4_000)]


def test_a_process_that_is_ended_is_told_and_what_is_done_stays(tmp_path: Path, model: Model) -> None:
    def kill_one(_: int) -> None:
        workers_of_this_process()[0].kill()
        time.sleep(0.2)

    source = write(tmp_path / "in.csv", 400)
    with pytest.raises(EvergreenError, match=r"a process that predicts was ended.*--workers"):
        run(job(model, source, tmp_path / "out", shard_rows=10), workers=2, told=kill_one)
    assert list((tmp_path / "out").glob("*.parquet"))


def peak_kb(source: Path, output: Path) -> int:
    """Of a process that predicts the table."""

    def predicting() -> int:
        with keywords():
            run(keyword_job(source, output, shard_rows=200), workers=1)
        (output.parent / f"{output.name}.peak").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        return 0

    assert forked(predicting) == 0
    return int((output.parent / f"{output.name}.peak").read_text())


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    few = peak_kb(write(tmp_path / "few.csv", FEW), tmp_path / "few-out.csv")
    many = peak_kb(write(tmp_path / "many.csv", MANY), tmp_path / "many-out.csv")
    assert many < 1.1 * few
