"""Graphs answer as torch does, and lie beside a model as they were made."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import engines as bench_engines
from evergreen.core.admission import Admission, Trial
from evergreen.core.artifacts import FileEntry, Splits, TrainedModel, TrainedModelManifest
from evergreen.core.engines import FP32, EngineChoice, Engines, ServedEngines, add_engines
from evergreen.core.sections import EngineTable
from evergreen.engines.export import ExportRefusedError
from evergreen.engines.session import Graph
from evergreen.evaluation import engines as evaluated_engines
from evergreen.evaluation.evaluator import Stopwatch
from evergreen.runtime.instructions import instruction_set
from evergreen.serving.loading import Loading
from evergreen.tasks.engines import make_engines
from evergreen.tasks.evaluated import evaluated
from evergreen.tasks.image_segmentation.class_graph import write_class_graph
from evergreen.tasks.image_segmentation.logits import classes_at, upsampled
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.servable import ImagePredictor, ImageServing
from evergreen.tasks.image_segmentation.settings import ArchitectureName
from evergreen.tasks.text_classification.exportable import TextExport
from evergreen.tasks.text_classification.servable import TextPredictor, TextServing
from evergreen.tasks.text_classification.settings import TextClassification
from tests import tiny_images
from tests.tiny_encoders import config_of, write_tokenizer
from tests.tiny_text import LABELS, headlines, write_splits

ENCODERS = ("bert", "distilbert", "roberta", "deberta-v2", "electra", "albert", "mpnet", "xlm-roberta")
TASK = TextClassification(encoder="none", labels=LABELS, max_length_tokens=64)
CLOSE = 1e-4
TEXTS = [
    {"text": "bank"},
    {"text": "the coach and the team before the match of the season"},
    {"text": "minister " * 200},
    {"text": "a vote on the treaty"},
]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    parts = {"train": headlines(60), "validation": headlines(24, 1), "test": headlines(36, 2)}
    return write_splits(tmp_path_factory.mktemp("rows") / "splits", parts)


def classifier(folder: Path, architecture: str) -> TrainedModel:
    """A tiny classifier of random weights, with answers that are not all alike."""
    import torch
    import transformers

    folder.mkdir(parents=True)
    write_tokenizer(folder)
    torch.manual_seed(0)
    auto: Any = transformers.AutoModelForSequenceClassification
    network = auto.from_config(config_of(architecture, num_labels=len(LABELS)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4.0 if parameter.ndim > 1 else 1.0)
    network.save_pretrained(folder)
    return described(folder, TASK.model_dump(mode="json"))


def described(folder: Path, task: dict[str, object]) -> TrainedModel:
    (folder / "task.json").write_text(json.dumps({"task": task}), encoding="utf-8")
    files = tuple(FileEntry.of(path, folder) for path in sorted(folder.iterdir()) if path.is_file())
    return TrainedModel.write(folder, TrainedModelManifest(files=files, task=task, trained_on="", seed=0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return classifier(tmp_path_factory.mktemp("bert") / "model", "bert")


@pytest.fixture(scope="module")
def engines(model: TrainedModel, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return make_engines(TASK, model, splits, tmp_path_factory.mktemp("engines") / "made")


def by(predictor: TextPredictor, engines: Engines, name: str) -> TextPredictor:
    variant = engines.manifest.variant(name)
    assert variant is not None
    return predictor.by(engines, variant)


def logits(predictor: TextPredictor, instances: Sequence[dict[str, str]]) -> Any:
    return predictor._network.run([text.ids for text in predictor.decode(instances)])[0]


@pytest.mark.parametrize("architecture", ENCODERS)
def test_a_graph_answers_as_torch_does_short_and_long_and_padded(architecture: str, tmp_path: Path) -> None:
    made = classifier(tmp_path / "model", architecture)
    torch = TextServing(TASK).load(made.path)
    TextExport(TASK).export(made.path, tmp_path)
    only = Engines(tmp_path, Engines.manifest_type(files=(), model=made.version, variants=_full()))
    graph = by(torch, only, FP32)
    expected = logits(torch, TEXTS)
    assert np.abs(logits(graph, TEXTS) - expected).max() < CLOSE * max(1.0, np.abs(expected).max())
    assert np.ptp(expected, axis=0).max() > 0.01  # the texts are told apart, by both
    outputs = graph.predict(graph.decode(TEXTS))
    assert outputs.embeddings is not None
    assert outputs.embeddings.shape == (len(TEXTS), 32)


def _full() -> tuple[Any, ...]:
    from evergreen.core.engines import FP32_FILE, EngineVariant

    return (EngineVariant(name=FP32, file=FP32_FILE),)


def test_int8_rows_know_nothing_of_their_neighbours(model: TrainedModel, engines: Engines) -> None:
    torch = TextServing(TASK).load(model.path)
    names = [variant.name for variant in engines.manifest.variants if not variant.batched]
    assert names == ["int8-u8s8", "int8-u8s8-reduced", "int8-u8u8"]
    for name in names:
        graph = by(torch, engines, name)
        alone = np.concatenate([logits(graph, [text]) for text in TEXTS])
        assert np.array_equal(logits(graph, TEXTS), alone)
        assert 0 < np.abs(alone - logits(torch, TEXTS)).max() < 1.0


def test_equal_models_have_equal_graphs_in_every_process(
    model: TrainedModel, engines: Engines, splits: Splits, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from evergreen.core.artifacts import Splits, TrainedModel;"
        "from evergreen.tasks.engines import make_engines; from tests.integration.test_engines import TASK;"
        "make_engines(TASK, TrainedModel.open(Path(sys.argv[1])), Splits.open(Path(sys.argv[2])), Path(sys.argv[3]))"
    )
    Splits.write(splits.path, splits.manifest)
    out = tmp_path / "again"
    subprocess.run([sys.executable, "-c", code, str(model.path), str(splits.path), str(out)], check=True)
    assert Engines.open(out).manifest.content_hash == engines.manifest.content_hash
    assert len(engines.manifest.files) == 5


def test_kept_inputs_are_instances_that_the_model_answers(model: TrainedModel, engines: Engines) -> None:
    kept = engines.kept_inputs()
    assert len(kept) == 24  # all of the validation split
    predictor = TextServing(TASK).load(model.path)
    assert len(predictor.predict(predictor.decode(kept))) == 24


def test_what_cannot_be_exported_is_served_by_torch_and_says_why(
    model: TrainedModel, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> Engines:
        def export(self: TextExport, model_dir: Path, out_dir: Path) -> None:
            (out_dir / "fp32.onnx").write_bytes(b"half")
            raise error

        monkeypatch.setattr(TextExport, "export", export)
        out = tmp_path / type(error).__name__
        return make_engines(TASK, model, splits, out)

    full = fail(OSError(errno.ENOSPC, "No space left on device"))
    assert full.manifest.refused is not None
    assert "No space left on device" in full.manifest.refused
    assert not full.manifest.files
    assert [path.name for path in full.path.iterdir()] == ["manifest.json"]
    unforeseen = fail(AttributeError("no vocab_size"))
    assert unforeseen.manifest.refused == "making its graphs ended in AttributeError: no vocab_size"
    odd = fail(ExportRefusedError("its graph fails at input_ids (3, 36): cannot broadcast"))
    report = evaluated(TASK, model, None, splits, Trial(odd, Admission(), "avx2"))
    table = report.section(EngineTable)
    assert table is not None
    assert table.choice.serves == "torch"
    assert "cannot broadcast" in table.summary


def test_an_encoder_of_characters_has_no_graph_that_answers_as_it_does(tmp_path: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    auto: Any = transformers.AutoModelForSequenceClassification
    auto.from_config(config_of("canine", num_labels=len(LABELS))).save_pretrained(tmp_path / "model")
    with pytest.raises(ExportRefusedError, match=r"it cannot be exported|its graph"):
        TextExport(TASK).export(tmp_path / "model", tmp_path)


def test_a_module_that_decides_by_sizes_is_refused(tmp_path: Path) -> None:
    import torch

    from evergreen.engines.export import check, export

    class Odd(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            scale = 2.0 if given.shape[0] > 1 else 1.0
            return given * scale, given

    export(Odd(), {"given": torch.ones(2, 3)}, {"given": {0: "rows"}}, tmp_path / "odd.onnx")
    with pytest.raises(ExportRefusedError, match=r"the logits of its graph are off by 1\.0e\+00 at given \(1, 3\)"):
        check(Graph(tmp_path / "odd.onnx"), Odd(), [{"given": torch.ones(1, 3)}])


def test_the_threads_of_a_graph_sleep_between_calls(tmp_path: Path) -> None:
    import torch

    from evergreen.engines.export import export

    class Products(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return given @ given.T, given

    export(Products(), {"given": torch.ones(400, 400)}, {}, tmp_path / "products.onnx")
    graph, given = Graph(tmp_path / "products.onnx", threads=2), np.ones((400, 400), dtype=np.float32)
    graph.run({"given": given})
    used = 0.0
    for _ in range(50):
        graph.run({"given": given})
        before = time.process_time()
        time.sleep(0.02)
        used += time.process_time() - before
    assert used < 0.1 * 50 * 0.02


def test_int8_is_compared_with_float32_and_admitted_or_kept_out_with_the_reason(
    model: TrainedModel, engines: Engines, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluated_engines, "GAIN", 1e-6)  # of so small a model no arithmetic is faster than another
    strict = Admission(max_disagreement=0.0, max_loss=0.0)
    report = evaluated(TASK, model, None, splits, Trial(engines, strict, "avx2"))
    table = report.section(EngineTable)
    assert table is not None
    kept_out = [one for one in table.choice.variants if one.name.startswith("int8")]
    assert len(kept_out) == 3
    assert all(one.compared == 36 and not one.admitted for one in kept_out)
    assert all("of the rows, allowed are 0.0%" in one.reason for one in kept_out)
    assert table.choice.serves in (FP32, "torch")
    assert {"torch", FP32} == set(table.choice.admitted)
    easy = Admission(max_disagreement=0.5, max_loss=0.5)
    eased = evaluated(TASK, model, None, splits, Trial(engines, easy, "avx2")).section(EngineTable)
    assert eased is not None
    admitted = [one for one in eased.choice.variants if one.name.startswith("int8") and one.admitted]
    assert len(admitted) == 1  # the fastest; the others are slower, and need no comparison
    assert admitted[0].disagreement is not None
    assert admitted[0].compared == 36  # the test rows decide already
    without = evaluated(TASK, model, None, splits, Trial(engines, Admission(int8=False), "avx2")).section(EngineTable)
    assert without is not None
    assert [one.name for one in without.choice.variants] == ["torch", FP32]


def test_a_choice_that_was_made_is_kept_whatever_is_faster_here(
    model: TrainedModel, engines: Engines, splits: Splits
) -> None:
    made = EngineChoice(serves="int8-u8u8", instruction_set="avx512_vnni", reason="it was the fastest there")
    report = evaluated(TASK, model, None, splits, Trial(engines, Admission(), "avx2", made))
    table = report.section(EngineTable)
    assert table is not None
    assert table.choice == made
    graph = by(TextServing(TASK).load(model.path), engines, "int8-u8u8")
    answers = graph.encode(graph.predict(graph.decode([{"text": text} for text, _ in headlines(36, 2)])))
    right = [answer["label"] == label for answer, (_, label) in zip(answers, headlines(36, 2), strict=True)]
    assert report.metrics["accuracy"].value == pytest.approx(np.mean(right))


def test_the_report_is_that_of_the_engine_that_serves(
    model: TrainedModel, engines: Engines, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluated_engines, "_fastest", lambda _asked, _judged: "int8-u8u8")
    timed: list[int] = []
    monkeypatch.setattr(Stopwatch, "answering", lambda _, rows: timed.append(rows) or nullcontext())  # type: ignore[func-returns-value]
    report = evaluated(TASK, model, None, splits, Trial(engines, Admission(), "avx2"))
    graph = by(TextServing(TASK).load(model.path), engines, "int8-u8u8")
    answers = graph.encode(graph.predict(graph.decode([{"text": text} for text, _ in headlines(36, 2)])))
    right = [answer["label"] == label for answer, (_, label) in zip(answers, headlines(36, 2), strict=True)]
    assert report.metrics["accuracy"].value == pytest.approx(np.mean(right))
    assert sum(timed) == 36, "rows a second are those of the engine that serves, not of those it was compared with"


@pytest.mark.parametrize("name", ["torch", FP32, "int8-u8u8"])
def test_the_server_gives_the_answers_that_were_evaluated(
    name: str, model: TrainedModel, engines: Engines, splits: Splits, tmp_path: Path
) -> None:
    made = EngineChoice(serves=name, instruction_set=instruction_set(), reason="it was the fastest")
    report = evaluated(TASK, model, None, splits, Trial(engines, Admission(), instruction_set(), made))
    shutil.copytree(model.path, tmp_path / "model")
    add_engines(tmp_path / "model", ServedEngines(engines, made))
    served = Loading().predictor(tmp_path / "model")
    assert served.engine == (name if name == "torch" else f"onnx-{name}")
    judged = TextServing(TASK).load(model.path)
    if name != "torch":
        judged = by(judged, engines, name)
    given = [{"text": text} for text, _ in headlines(36, 2)]
    alone = np.concatenate([np.asarray(served.predict(served.decode([instance]))) for instance in given])
    assert alone == pytest.approx(np.asarray(judged.predict(judged.decode(given))), abs=1e-5)
    right = [LABELS[row.argmax()] == label for row, (_, label) in zip(alone, headlines(36, 2), strict=True)]
    assert report.metrics["accuracy"].value == pytest.approx(np.mean(right))


def test_engines_side_by_side_are_printed_and_a_graph_takes_less_memory_than_torch(
    model: TrainedModel, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    some = engines.manifest.variants[:2]
    few = Engines(engines.path, engines.manifest.model_copy(update={"variants": some}))
    rounds = bench_engines.compare(model.path, few, TEXTS, 1)
    bench_engines.report(rounds, as_json=True)
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in ("torch", FP32, "int8-u8s8", *bench_engines.LIMITS))
    (torch,), (graph,) = rounds["torch"], rounds[FP32]
    assert torch.resident_bytes > graph.resident_bytes


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_a_graph_of_pictures_gives_torchs_classes_at_the_pictures_own_size(
    architecture: ArchitectureName, tmp_path: Path
) -> None:
    import torch

    task = tiny_images.task_with(architecture=architecture, image_size=64, encoder=None)
    folder = tmp_path / "model"
    torch.manual_seed(0)
    ARCHITECTURES[architecture].fresh(task.labels).save_pretrained(folder)
    parts = {name: tiny_images.scenes(6, 10 * at) for at, name in enumerate(("train", "validation", "test"))}
    splits = tiny_images.write_splits(tmp_path / "splits", parts)
    trained = described(folder, task.model_dump(mode="json"))
    (tmp_path / "engines").mkdir()
    engines = make_engines(task, trained, splits, tmp_path / "engines")
    assert engines.manifest.refused is None
    quantized = {variant.name for variant in engines.manifest.variants} - {FP32}
    assert bool(quantized) == (architecture == "segformer")  # the others have convolutions, and no product
    full = ImageServing(task).load(folder)
    graph = full.by(engines, engines.manifest.variants[0])
    pictures = [*full.decode(engines.kept_inputs()), tiny_images.draw(3, 77, 131)[0]]
    assert_equal_masks(full, graph, pictures)


def assert_equal_masks(full: ImagePredictor, graph: ImagePredictor, pictures: Sequence[Any]) -> None:
    expected, got = full.predict(pictures), graph.predict(pictures)
    assert got.embeddings is not None
    assert got.embeddings.shape == (len(pictures), 32)
    for one, other in zip(expected.masks, got.masks, strict=True):
        assert one.shape == other.shape
        assert np.mean(one != other) < 0.001  # ties alone


def test_classes_at_two_hundred_sizes_are_torchs_but_for_ties(tmp_path: Path) -> None:
    import torch

    write_class_graph(tmp_path / "classes.onnx")
    graph = Graph(tmp_path / "classes.onnx", threads=1)
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width, tall, wide = (*random.integers(2, 40, 2), *random.integers(1, 160, 2))
        drawn = random.standard_normal((random.integers(2, 7), height, width)).astype(np.float32)
        size = np.array([tall, wide], dtype=np.int64)
        got = graph.run({"logits": drawn, "size": size})["classes"]
        expected = classes_at(torch.from_numpy(drawn), int(tall), int(wide)).numpy()
        best = upsampled(torch.from_numpy(drawn)[None], int(tall), int(wide))[0].topk(2, dim=0).values
        clear = (best[0] - best[1]).numpy() > CLOSE
        assert got.dtype == np.uint8
        assert np.array_equal(got[clear], expected[clear])


def test_onnx_runtime_tells_its_maker_nothing_and_writes_nothing_at_home(engines: Engines, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from evergreen.engines.session import Graph;"
        "Graph(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    environment = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code, str(engines.path / "fp32.onnx")]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []
