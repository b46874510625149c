"""Batch prediction by processes of their own, its memory as rows grow, and pictures."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from bench.untrained import small_encoder, untrained
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch.job import Job, run
from evergreen.batch.plan import Asked, check_output, job_of
from evergreen.batch.settings import LocalBatch
from evergreen.batch.work import Model
from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import ENGINES_FOLDER, Engines, ServedEngines, read_engines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.versions import ModelVersion
from evergreen.tasks import load_task
from orchestration.batch import predict_all
from tests.batches import job as keyword_job
from tests.batches import keywords, texts
from tests.killed_batches import forked
from tests.tiny_engines import INT8, add_text_engines
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


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_to_all_ends_them_at_once_without_a_traceback_and_the_same_job_goes_on(
    tmp_path: Path, model: Model, number: signal.Signals, said: str
) -> None:
    source, output = write(tmp_path / "in.csv", 6_000), tmp_path / "out.csv"
    parts = tmp_path / ".out.csv.parts"
    (tmp_path / "predict.py").write_text(
        "from pathlib import Path\n"
        "from commands.console import report_errors\n"
        "from commands.predicted_table import Progress\n"
        "from commands.termination import sigterm_raises\n"
        "from evergreen.batch.job import run\n"
        "from evergreen.batch.work import Model\n"
        "from tests.integration.test_batch_workers import job\n"
        "if __name__ == '__main__':\n"
        "    progress = Progress()\n"
        "    with report_errors(debug=False), sigterm_raises(), progress.told_when_cut_off('they are kept'):\n"
        f"        model = Model({model.place!r}, {model.version!r}, ({{'text': 'a goal'}},))\n"
        f"        run(job(model, Path({str(source)!r}), Path({str(output)!r}), shard_rows=100), 2, progress.report)\n"
    )
    command = [sys.executable, str(tmp_path / "predict.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            wait_until(lambda: len(list(parts.glob("*.jsonl"))) >= 3, timeout_s=120)
            os.killpg(process.pid, number)  # as a terminal or a service manager does
            _, told = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in told.splitlines() if "rows/s" not in line]
    assert len(lines) == 2, told
    assert re.fullmatch(r"[\d,]+ rows are done: they are kept", lines[0])
    assert lines[1] == said
    kept = len(list(parts.glob("*.jsonl")))
    report = run(job(model, source, output, shard_rows=100), workers=2)
    assert (report.rows, report.predicted) == (6_000, 6_000 - 100 * kept)
    assert 0 < kept < 60


def test_a_process_that_is_ended_is_told_and_what_is_done_stays(tmp_path: Path, model: Model) -> None:
    def kill_one(_: int) -> None:
        workers_of_this_process()[0].kill()
        time.sleep(0.2)

    source = write(tmp_path / "in.csv", 400)
    with pytest.raises(EvergreenError, match=r"a process that predicts was ended.*--workers"):
        run(job(model, source, tmp_path / "out", shard_rows=10), workers=2, told=kill_one)
    assert list((tmp_path / "out").glob("*.parquet"))


def test_the_champion_predicts_by_the_engine_that_its_endpoint_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = untrained(tmp_path / "model", small_encoder(tmp_path / "encoder", WORDS), 32)
    kept = [{"text": text} for text in WORDS]
    with_engines = TrainedModel.open(tmp_path / "model")
    add_text_engines(with_engines, kept, tmp_path / "graphs")
    served = read_engines(trained.path)
    shutil.rmtree(trained.path / ENGINES_FOLDER)  # as the artifact store gives it
    assert served is not None
    graphs = ServedEngines(Engines.open(tmp_path / "graphs"), served.choice)
    plain: dict[str, Any] = dict.fromkeys(("artifact", "recipe", "run", "engines", "report"), "any")
    champion = ModelVersion(version=trained.version, judged_against=None, metrics={}, examples=(kept[0],), **plain)
    monkeypatch.setattr("orchestration.batch.champion_of", lambda _: champion)
    monkeypatch.setattr("orchestration.batch.load_artifact", lambda *_: trained)
    monkeypatch.setattr("orchestration.engines.served_engines", lambda *_: graphs)
    source = FilesSettings(path=str(write(tmp_path / "in.csv", 60)))
    for workers in (1, 2):
        place = FilesOutput(path=str(tmp_path / f"{workers}.csv"))
        report = predict_all("news", Asked(source, shard_rows=10), place, LocalBatch(workers=workers))
        assert (report.engine, report.rows) == (f"onnx-{INT8}", 60)
    assert (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()


def test_missing_rows_and_a_missing_champion_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> ModelVersion:
        raise EvergreenError("model 'news' has no champion; run the pipeline")

    monkeypatch.setattr("orchestration.batch.champion_of", nobody)
    place = FilesOutput(path=str(tmp_path / "out.csv"))
    gone, there = (FilesSettings(path=str(tmp_path / name)) for name in ("gone.csv", "in.csv"))
    with pytest.raises(EvergreenError, match=r"^2 mistakes:\n- .*gone\.csv.*\n- model 'news' has no champion") as told:
        predict_all("news", Asked(gone), place, LocalBatch(workers=1))
    assert told.value.exit_code == 1
    write(tmp_path / "in.csv", 2)
    with pytest.raises(EvergreenError, match=r"^model 'news' has no champion") as caught:
        predict_all("news", Asked(there), place, LocalBatch(workers=1))
    assert caught.value.exit_code == 1


def test_an_output_is_looked_at_as_it_is_written(tmp_path: Path) -> None:
    source = FilesSettings(path=str(tmp_path / "in.csv"), delimiter=";", encoding="utf-16")
    place = FilesOutput(path=str(tmp_path / "out.csv"))
    earlier = "text;label;version;error\na;b;0123456789ab;\n"
    (tmp_path / "out.csv").write_text(earlier, encoding="utf-16")
    check_output(Asked(source), place)
    (tmp_path / "out.csv").write_text("text;label\na;b\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"out\.csv is there already, .*its columns are 'text', 'label'"):
        check_output(Asked(source), place)


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
