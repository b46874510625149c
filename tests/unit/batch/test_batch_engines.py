"""By which engine a shard is predicted: processes of a machine agree, a worker elsewhere decides for its processor."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.batch import shard_files, work
from evergreen.batch.columns import Columns
from evergreen.batch.job import Total
from evergreen.batch.settings import store_of
from evergreen.batch.shard_files import Sent, predict_sent
from evergreen.batch.work import Done, Shard, Traits, Work, predict_shard
from evergreen.core.protocols import Predictor, Servable
from tests.batches import MODEL, Keywords, Served

KEY = "9f2c41d07be8a615"
SHARD = Shard(3, [{"text": "a match"}], KEY)
SENT = Sent(3, KEY, "gs://news/tmp/00003.jsonl")


class Machine:
    """A machine whose server would take `engine`; `asked` are the engines that were asked for (None: its own)."""

    def __init__(self, engine: str) -> None:
        self.engine, self.asked = engine, list[str | None]()

    def load(self, _place: str, _threads: int, asked: str | None) -> tuple[Predictor, Servable]:
        self.asked.append(asked)
        predictor = Keywords()
        predictor.engine = f"onnx-{asked}" if asked else self.engine
        return cast("Predictor", predictor), cast("Servable", Served())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """On which float32 answers, for it is of another kind than the one that int8 was judged on."""
    made = Machine("onnx-fp32")
    monkeypatch.setattr(work, "_loaded", made.load)
    monkeypatch.setattr(shard_files, "read_shard", lambda _: SHARD)
    return made


def told(folder: Path) -> Work:
    """Work that a machine has sent on which int8 answers."""
    asked = Work(MODEL, Columns(("text",)), store_of(FilesOutput(path=str(folder))))
    return asked.told(Traits(({"label": "sport", "score": 1.0},), "onnx-int8-u8s8", takes_turns=False))


def test_a_worker_elsewhere_takes_the_engine_of_its_own_processor(tmp_path: Path, machine: Machine) -> None:
    sent = told(tmp_path)
    outcome = predict_sent(sent, SENT)
    assert machine.asked == [None], "no engine is forced on it"
    assert outcome.engine == outcome.done().engine == "onnx-fp32"
    assert outcome.failure == ""


def test_processes_of_one_machine_take_the_engine_of_the_first(tmp_path: Path, machine: Machine) -> None:
    sent = told(tmp_path)
    assert predict_shard(sent, SHARD, sent.engine).engine == "onnx-int8-u8s8"
    assert machine.asked == [None, "int8-u8s8"]


def test_a_report_names_every_engine_that_predicted(tmp_path: Path, machine: Machine) -> None:
    sent, total = told(tmp_path), Total()
    for engine in ("", sent.engine):
        total.add(predict_shard(sent, SHARD, engine), new=True)
    total.add(Done(total.parts[0], 1), new=False)
    assert total.engines == {"onnx-fp32", "onnx-int8-u8s8"}
    assert machine.asked
