import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import servable, trainable
from evergreen.tasks import load_predictor
from tests.rows import with_replayed
from tests.tiny_text import (
    LABELS,
    RecordingRun,
    Row,
    headlines,
    killable_task,
    task_with,
    write_encoder,
    write_splits,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model only loses by sharing its work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("pretrained") / "encoder")


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    rows = headlines(660)
    parts = {"train": rows[:500], "validation": rows[500:560], "test": rows[560:]}
    return write_splits(tmp_path_factory.mktemp("data") / "splits", parts)


SURE = {"epochs": 2, "learning_rate": 3e-3}
"""With these settings the tiny encoder learns the headlines whatever the seed."""


@pytest.fixture(scope="module")
def trained(
    encoder: Path, splits: Splits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedModel, RecordingRun]:
    run = RecordingRun.below(tmp_path_factory.mktemp("trained"))
    return trainable(task_with(encoder, **SURE)).train(splits, run), run


def test_training_learns_and_reports_its_curves(trained: tuple[TrainedModel, RecordingRun]) -> None:
    _, run = trained
    values = {name for _, point in run.points for name in point}
    last = [point for _, point in run.points if "validation/accuracy" in point][-1]

    assert {"train/loss", "validation/loss", "validation/accuracy", "validation/macro_f1"} <= values
    assert last["validation/accuracy"] > 0.8
    assert run.curves is not None
    assert run.curves.validation[-1]["accuracy"] == last["validation/accuracy"]
    assert run.progress[-1] == (1000, 1000)
    assert run.progress == sorted(run.progress)


def test_a_model_directory_loads_by_itself_and_tells_no_path_of_this_machine(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path
) -> None:
    model, _ = trained
    predictor = load_predictor(model.path)
    batch = predictor.decode([{"text": "goal match team"}, {"text": "vote law tax"}])
    answers = predictor.encode(predictor.predict(batch))
    config = json.loads((model.path / "config.json").read_text())

    assert [answer["label"] for answer in answers] == ["games", "state"]
    assert [
        path for path in model.path.rglob("*") if path.is_file() and str(encoder).encode() in path.read_bytes()
    ] == []
    assert list(config["id2label"].values()) == list(LABELS)
    assert model.manifest.trained_on
    assert TrainedModel.open(model.path).version == model.version


def test_a_process_that_loads_texts_imports_nothing_of_pictures_nor_of_the_pipeline(
    trained: tuple[TrainedModel, RecordingRun],
) -> None:
    code = (
        "import sys; before = {*sys.modules}\n"
        "from pathlib import Path; from evergreen.tasks import load_predictor\n"
        "one = load_predictor(Path(sys.argv[1])); one.predict(one.decode([{'text': 'goal'}]))\n"
        "print(*sys.modules.keys() - before)"
    )
    command = [sys.executable, "-c", code, str(trained[0].path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "evergreen.tasks.text_classification.servable" in loaded
    assert not [name for name in loaded if "image" in name and name.startswith("evergreen")]
    assert not {name.partition(".")[0] for name in loaded} & {"zenml", "google", "sklearn", "pyarrow", "duckdb"}


def test_every_checkpoint_is_handed_over_when_it_is_whole(trained: tuple[TrainedModel, RecordingRun]) -> None:
    _, run = trained

    assert len(run.saved) >= 10
    assert all(run.saved)


def test_equal_trainings_give_equal_versions_and_another_seed_another(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    model, _ = trained
    again = trainable(task_with(encoder, **SURE)).train(splits, RecordingRun.below(tmp_path / "again"))
    other = trainable(task_with(encoder, **SURE)).train(splits, RecordingRun.below(tmp_path / "other", seed=2))

    assert again.version == model.version
    assert other.version != model.version


def test_equal_encoders_in_two_places_give_equal_versions_which_start_from_each_other(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    model, _ = trained
    elsewhere = shutil.copytree(encoder, tmp_path / "elsewhere")
    again = trainable(task_with(elsewhere, **SURE)).train(splits, RecordingRun.below(tmp_path / "again"))
    warm = trainable(task_with(elsewhere, **SURE, warm_start=True)).train(
        splits, RecordingRun.below(tmp_path / "warm"), model
    )

    assert again.version == model.version
    assert warm.manifest.task["encoder"] == model.manifest.task["encoder"]


def test_a_warm_start_from_another_encoders_model_is_refused(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    model, _ = trained
    other = shutil.copytree(encoder, tmp_path / "encoder")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.2}))

    with pytest.raises(InputError, match=rf"champion {model.version} was trained with encoder 'sha256:"):
        trainable(task_with(other, warm_start=True)).train(splits, RecordingRun.below(tmp_path / "run"), model)


def turned(rows: list[Row]) -> list[Row]:
    """The rows with each label in the place of another."""
    others = dict(zip(LABELS, [*LABELS[1:], LABELS[0]], strict=True))
    return [(text, others[label]) for text, label in rows]


def write_night(folder: Path, parts: dict[str, list[Row]]) -> Splits:
    """The rows as an incremental run has them, which tells what was read once more."""
    return with_replayed(write_splits(folder / "plain", {**parts, "test": headlines(3)}), folder / "night")


def write_misleading_night(folder: Path) -> Splits:
    """Few new rows, whose labels are wrong, and enough validation rows, whose labels are right."""
    return write_night(folder, {"train": turned(headlines(24, seed=3)), "validation": headlines(60, seed=4)})


def test_a_model_of_an_incremental_run_is_the_mean_of_the_champions_weights_and_of_what_was_trained_on_from_them(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, tmp_path: Path
) -> None:
    """Few new rows mislead, so that what the champion knows is worth keeping."""
    night = write_misleading_night(tmp_path)
    alone, mean = (
        trainable(task_with(encoder, champion_share=share)).train(
            night, RecordingRun.below(tmp_path / str(share)), trained[0]
        )
        for share in (0.0, 0.25)
    )
    champion, last, mixed = (load_weights(model.path) for model in (trained[0], alone, mean))

    assert max(float((champion[name] - last[name]).abs().max()) for name in last) > 1e-3
    for name in mixed:
        assert np.allclose(mixed[name], 0.25 * champion[name] + 0.75 * last[name], atol=1e-6)
    shares = [json.loads((model.path / "history.json").read_text()).get("champion_share") for model in (alone, mean)]
    assert shares == [None, 0.25]


def test_an_incremental_training_that_goes_on_from_a_checkpoint_ends_with_the_same_mean(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, tmp_path: Path
) -> None:
    night = write_misleading_night(tmp_path)
    first = RecordingRun.below(tmp_path / "first")
    expected = trainable(task_with(encoder)).train(night, first, trained[0])
    again = RecordingRun(tmp_path / "again", first.checkpoint_dir)
    again.out_dir.mkdir()
    model = trainable(task_with(encoder)).train(night, again, trained[0])

    assert [rows for rows, _ in again.progress] == [24] != [rows for rows, _ in first.progress]
    assert json.loads((model.path / "history.json").read_text())["champion_share"] == 0.5
    assert model.version == expected.version


def test_a_mean_that_answers_validation_rows_worse_is_not_taken(encoder: Path, tmp_path: Path) -> None:
    """The champion learnt another world: who keeps most of it does not know this one."""
    before = {"train": turned(headlines(300)), "validation": turned(headlines(30, seed=1))}
    champion = trainable(task_with(encoder, **SURE)).train(
        write_splits(tmp_path / "before", before), RecordingRun.below(tmp_path / "champion")
    )
    night = write_night(tmp_path, {"train": headlines(300, seed=3), "validation": headlines(60, seed=4)})
    alone, kept = (
        trainable(task_with(encoder, **SURE, champion_share=share)).train(
            night, RecordingRun.below(tmp_path / str(share)), champion
        )
        for share in (0.0, 0.9)
    )
    last, chosen = load_weights(alone.path), load_weights(kept.path)

    assert all(np.array_equal(last[name], chosen[name]) for name in last)
    assert "champion_share" not in json.loads((kept.path / "history.json").read_text())


def test_a_model_trained_because_the_world_moved_keeps_nothing_of_the_champions_weights(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, tmp_path: Path
) -> None:
    """Few validation rows do not tell how wrong half of the champion would be."""
    night = write_misleading_night(tmp_path)
    alone, moved = (
        trainable(task_with(encoder, champion_share=share)).train(
            night, replace(RecordingRun.below(tmp_path / str(share)), moved=share > 0), trained[0]
        )
        for share in (0.0, 0.25)
    )
    last, kept = load_weights(alone.path), load_weights(moved.path)

    assert all(np.array_equal(last[name], kept[name]) for name in last)
    assert "champion_share" not in json.loads((moved.path / "history.json").read_text())


def test_a_warm_start_on_all_rows_keeps_only_what_training_left(
    trained: tuple[TrainedModel, RecordingRun], encoder: Path, tmp_path: Path
) -> None:
    rows = {"train": turned(headlines(24, seed=3)), "validation": headlines(60, seed=4)}
    splits = write_splits(tmp_path / "splits", rows)
    alone, other = (
        load_weights(
            trainable(task_with(encoder, warm_start=True, champion_share=share))
            .train(splits, RecordingRun.below(tmp_path / str(share)), trained[0])
            .path
        )
        for share in (0.0, 0.5)
    )

    assert all(np.array_equal(alone[name], other[name]) for name in alone)


def test_predictions_do_not_depend_on_what_else_is_in_the_batch(trained: tuple[TrainedModel, RecordingRun]) -> None:
    model, _ = trained
    predictor = load_predictor(model.path)
    texts = predictor.decode([{"text": text} for text, _ in headlines(300, seed=5)])

    together = np.asarray(predictor.predict(texts))
    alone = np.concatenate([predictor.predict([text]) for text in texts[::50]])

    assert together.dtype == np.float32
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert together[::50] == pytest.approx(alone, abs=1e-5)
    assert np.asarray(predictor.predict([])).shape == (0, len(LABELS))


def test_a_training_killed_half_way_goes_on_and_ends_as_if_undisturbed(
    encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    undisturbed = RecordingRun.below(tmp_path / "undisturbed")
    expected = trainable(killable_task(encoder)).train(splits, undisturbed)
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.tiny_text", str(encoder), str(splits.path), str(killed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout or ():
            if int(line.split()[0]) >= 500:
                break
        process.kill()
    assert process.returncode == -9

    resumed = RecordingRun.below(killed)
    model = trainable(killable_task(encoder)).train(splits, resumed)

    steps = [step for step, _ in resumed.points]
    assert resumed.progress[0][0] >= 0.4 * 1000
    assert steps == sorted(steps)
    assert resumed.points == undisturbed.points[-len(resumed.points) :]
    assert model.version == expected.version


def test_a_finished_training_that_was_not_stored_is_not_repeated(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    first = RecordingRun.below(tmp_path)
    expected = trainable(task_with(encoder)).train(splits, first)
    again = RecordingRun(tmp_path / "again", first.checkpoint_dir)
    again.out_dir.mkdir()

    assert trainable(task_with(encoder)).train(splits, again).version == expected.version
    assert again.progress == []


def test_the_best_weights_are_kept_and_a_hopeless_training_stops_early(
    encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    run = RecordingRun.below(tmp_path)
    task = task_with(encoder, epochs=6, learning_rate=0.05, evaluations_per_epoch=4, early_stopping_patience=2)
    model = trainable(task).train(splits, run)
    history = json.loads((model.path / "history.json").read_text())
    losses = {point["step"]: point["loss"] for point in history["validation"]}

    assert losses[history["best_step"]] == min(losses.values())
    assert len(losses) < 24
    assert max(losses) < 6 * 63


def test_balanced_class_weights_lift_a_rare_class(encoder: Path, tmp_path: Path) -> None:
    rows = headlines(900)
    rare = [row for row in rows if row[1] != "state"] + [row for row in rows if row[1] == "state"][:12]
    splits = write_splits(tmp_path / "splits", {"train": rare, "validation": headlines(60, seed=9)})
    few_steps = {"batch_size": 32}

    shares = []
    for weights in ("none", "balanced"):
        task = task_with(encoder, class_weights=weights, **few_steps)
        model = trainable(task).train(splits, RecordingRun.below(tmp_path / weights))
        predictor = servable(task).load(model.path)
        batch = predictor.decode([{"text": text} for text, _ in headlines(90, seed=7)])
        shares.append(np.asarray(predictor.predict(batch))[:, 2].mean())

    assert shares[1] > 2 * shares[0]


def test_a_sample_of_rows_trains_on_that_many(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    run = RecordingRun.below(tmp_path)
    trainable(task_with(encoder, max_train_rows=120)).train(splits, run)

    assert run.progress[-1] == (120, 120)


def test_bf16_learns_as_well(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    run = RecordingRun.below(tmp_path)
    model = trainable(task_with(encoder, **SURE, precision="bf16")).train(splits, run)

    assert run.points[-1][1]["validation/accuracy"] > 0.8
    assert {str(tensor.dtype) for tensor in load_weights(model.path).values()} == {"torch.float32"}


def test_a_diverging_training_stops_and_says_what_to_lower(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(EvergreenError, match=r"diverged.*lower learning_rate \(is 1e\+30\)"):
        trainable(task_with(encoder, learning_rate=1e30)).train(splits, RecordingRun.below(tmp_path))


def test_a_split_without_rows_is_named(encoder: Path, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "splits", {"train": [], "validation": headlines(3)})

    with pytest.raises(InputError, match="the train split has no rows"):
        trainable(task_with(encoder)).train(splits, RecordingRun.below(tmp_path))


def test_a_cut_longer_than_the_encoder_reads_is_refused(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"max_length_tokens is 65, but .* reads at most 64"):
        trainable(task_with(encoder, max_length_tokens=65)).train(splits, RecordingRun.below(tmp_path))


def test_a_hub_that_cannot_be_reached_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    code = (
        "from evergreen.tasks.text_classification.settings import TextClassification\n"
        "from evergreen.tasks.text_classification.trainable import TextTraining\n"
        "task = TextClassification(encoder='some-org/some-model', labels=('a', 'b'))\n"
        "for act in (TextTraining(task).check, TextTraining(task).encoder_weights.load_tokenizer):\n"
        "    try:\n"
        "        act()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, str(error).count(chr(10)), error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert [line.split(" encoder ")[0] for line in printed.splitlines()] == ["InputError 0"] * 2
    assert printed.count("'some-org/some-model' cannot be used") == 2


def load_weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_model_directory_is_named(
    trained: tuple[TrainedModel, RecordingRun], tmp_path: Path, file: str
) -> None:
    model, _ = trained
    damaged = shutil.copytree(model.path, tmp_path / "damaged")
    (damaged / file).write_bytes((damaged / file).read_bytes()[:100])

    with pytest.raises(InputError, match=r"no usable text classifier at .*damaged"):
        load_predictor(damaged)


def test_a_damaged_encoder_is_named(encoder: Path, splits: Splits, tmp_path: Path) -> None:
    damaged = shutil.copytree(encoder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"")

    with pytest.raises(InputError, match="damaged' cannot be used"):
        trainable(task_with(damaged)).train(splits, RecordingRun.below(tmp_path))


def test_weights_that_do_not_fit_the_encoders_configuration_are_refused(
    encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    deeper = shutil.copytree(encoder, tmp_path / "deeper")
    config = json.loads((deeper / "config.json").read_text())
    (deeper / "config.json").write_text(json.dumps({**config, "num_hidden_layers": config["num_hidden_layers"] + 1}))

    with pytest.raises(InputError, match=r"weights do not fit its config\.json: .*layer\.2.* would start at random"):
        trainable(task_with(deeper)).train(splits, RecordingRun.below(tmp_path))


def test_a_fresh_head_learns_faster_than_the_pretrained_weights_below_it(
    encoder: Path, splits: Splits, tmp_path: Path
) -> None:
    run = RecordingRun.below(tmp_path)
    slow = {"learning_rate": 1e-7, "weight_decay": 0.0, "max_train_rows": 320}
    model = trainable(task_with(encoder, **slow, head_learning_rate_factor=1e5)).train(splits, run)
    after = {name.removeprefix("bert."): weight for name, weight in load_weights(model.path).items()}
    moved = {name: float((after[name] - weight).abs().max()) for name, weight in load_weights(encoder).items()}

    assert max(moved.pop(name) for name in sorted(moved) if name.startswith("pooler.")) > 1e-3
    assert 0 < max(moved.values()) < 1e-4
