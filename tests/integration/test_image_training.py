"""Real trainings of tiny networks on tiny pictures: what is learned, kept, resumed and refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.members import measurable, servable, trainable
from evergreen.data.pictures import decode_picture
from evergreen.tasks import load_predictor
from evergreen.tasks.image_segmentation.images import resize_picture
from evergreen.tasks.image_segmentation.model import ARCHITECTURES, as_floats, freeze_encoder, normalised
from evergreen.tasks.image_segmentation.pictures import PictureCache
from evergreen.tasks.image_segmentation.settings import OWN_NETWORKS
from evergreen.tasks.image_segmentation.trainable import ImageTraining
from tests.rows import with_replayed
from tests.tiny_images import IGNORED, LABELS, draw, killable_task, png, scenes, task_with, write_splits
from tests.tiny_text import RecordingRun


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model only loses by sharing its work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    rows = scenes(220)
    parts = {"train": rows[:160], "validation": rows[160:180], "test": rows[180:]}
    return write_splits(tmp_path_factory.mktemp("data") / "splits", parts)


@pytest.fixture(scope="module")
def trained(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, RecordingRun]:
    run = RecordingRun.below(tmp_path_factory.mktemp("trained"))
    return trainable(killable_task()).train(splits, run), run


@pytest.mark.parametrize("name", ["unet", "deeplab", "deeplabv3plus", "segformer"])
def test_every_architecture_trains_also_when_one_picture_is_left_for_the_last_batch(name: str, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "splits", {"train": scenes(5), "validation": scenes(2, 10)})
    task = task_with(architecture=name, batch_size=4, epochs=1)
    model = trainable(task).train(splits, RecordingRun.below(tmp_path))
    predictor = load_predictor(model.path)
    (mask,) = predictor.predict(predictor.decode([servable(task).instance(scenes(1, 20)[0].image)]))
    assert mask.shape == (36, 48)


@pytest.mark.parametrize("name", ["unet", "deeplab", "deeplabv3plus", "segformer"])
def test_every_architecture_answers_every_pixel(name: Any) -> None:
    import torch

    from evergreen.tasks.image_segmentation.logits import upsampled

    network = ARCHITECTURES[name].fresh(LABELS).eval()
    with torch.inference_mode():
        logits = network(pixel_values=torch.zeros(2, 3, 64, 64)).logits
    assert logits.shape[:2] == (2, 3)
    assert upsampled(logits, 64, 64).shape == (2, 3, 64, 64)
    assert network.config.id2label == dict(enumerate(LABELS))
    if name in OWN_NETWORKS:
        assert logits.shape[2:] == ((64, 64) if name == "unet" else (16, 16))
        assert 2_000_000 < sum(weight.numel() for weight in network.parameters()) < 3_000_000


def test_deeplabv3plus_is_the_network_of_its_paper() -> None:
    import torch

    network = ARCHITECTURES["deeplabv3plus"].fresh(LABELS).eval()
    pictures = torch.rand(2, 3, 96, 64)
    maps: dict[str, tuple[int, ...]] = {}
    for name in ("mobilenet_v2.layer.15", "skip", "pyramid", "pyramid.whole"):
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out, name=name: maps.update({name: tuple(out.shape)}))
    with torch.inference_mode():
        assert network(pixel_values=pictures).logits.shape == (2, 3, 24, 16)
    assert maps == {
        "mobilenet_v2.layer.15": (2, 320, 6, 4),
        "skip": (2, 48, 24, 16),
        "pyramid.whole": (2, 256, 1, 1),
        "pyramid": (2, 256, 6, 4),
    }
    atrous = [module for module in network.pyramid.modules() if getattr(module, "dilation", (1, 1)) != (1, 1)]
    assert [module.dilation[0] for module in atrous] == [6, 12, 18]
    assert all(module.groups == module.in_channels for module in atrous), "separable"
    dilated = [layer.conv_3x3.convolution.dilation[0] for layer in network.mobilenet_v2.layer]
    assert dilated == [1] * 13 + [2] * 3


def test_the_decoder_of_deeplabv3plus_reads_its_early_map_at_its_own_size() -> None:
    import torch

    network = ARCHITECTURES["deeplabv3plus"].fresh(LABELS).eval()
    bright = torch.zeros(1, 48, 16, 16)
    with torch.inference_mode():
        without = network(pixel_values=torch.zeros(1, 3, 64, 64)).logits
        bright[..., 8, 5] = 1.0
        network.skip.register_forward_hook(lambda _module, _given, early: early + bright)
        changed = (network(pixel_values=torch.zeros(1, 3, 64, 64)).logits != without).any(dim=1)[0]
    assert changed[8, 5]
    assert changed.sum() == changed[6:11, 3:8].sum(), "two convolutions of 3 x 3 see no further"


def test_a_frozen_encoder_stays_as_it_is() -> None:
    import torch

    network = ARCHITECTURES["unet"].fresh(LABELS)
    freeze_encoder(network)
    network.train()
    encoder = {name: tensor.clone() for name, tensor in network.mobilenet_v2.state_dict().items()}
    network(pixel_values=torch.rand(2, 3, 32, 32)).logits.sum().backward()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in network.mobilenet_v2.state_dict().items())
    assert all(weight.grad is None for weight in network.mobilenet_v2.parameters())
    assert network.classifier.weight.grad is not None


def test_a_frozen_encoder_drops_nothing_out() -> None:
    import torch

    network = ARCHITECTURES["segformer"].fresh(LABELS)
    encoder = network.segformer
    pictures = torch.rand(2, 3, 64, 64)
    network.train()
    assert not torch.equal(encoder(pictures)[0], encoder(pictures)[0]), "stochastic depth and dropout, as it learns"
    freeze_encoder(network)
    network.train()
    assert torch.equal(encoder(pictures)[0], encoder(pictures)[0])
    assert network.decode_head.training


def test_the_encoder_answers_as_transformers_own_though_it_copies_no_map_to_pad_it() -> None:
    import torch
    from transformers import MobileNetV2Model

    network = ARCHITECTURES["unet"].fresh(LABELS).eval()
    own: Any = MobileNetV2Model(network.config, add_pooling_layer=False)
    own.eval()
    own.load_state_dict(network.mobilenet_v2.state_dict(), strict=False)
    pictures = torch.rand(2, 3, 96, 64)
    maps: dict[str, list[torch.Tensor]] = {"own": [], "ours": []}
    with torch.inference_mode():
        for name, encoder in (("own", own), ("ours", network.mobilenet_v2)):
            features = encoder.conv_stem(pictures)
            for layer in encoder.layer:
                features = layer(features)
                maps[name].append(features)
    assert all(torch.equal(expected, other) for expected, other in zip(maps["own"], maps["ours"], strict=True))
    padded = [module for module in network.mobilenet_v2.modules() if getattr(module, "padding", None) == (1, 1)]
    assert len(padded) == 13, "the depthwise convolutions of stride 1"


def test_ignored_pixels_move_no_weight() -> None:
    import torch

    from evergreen.tasks.image_segmentation.logits import IGNORED as LEFT_OUT
    from evergreen.tasks.image_segmentation.logits import segmentation_loss

    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=random, requires_grad=True)
    labels = torch.randint(0, 3, (2, 8, 8), generator=random)
    labels[:, :3] = LEFT_OUT
    loss = segmentation_loss({"logits": logits}, labels, dice_weight=0.5)
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert not logits.grad[:, :, :3].any()
    assert logits.grad[:, :, 3:].any()
    assert segmentation_loss({"logits": logits[:, :, 3:]}, labels[:, 3:], 0.5).item() == pytest.approx(loss.item())
    nothing = segmentation_loss({"logits": logits}, torch.full_like(labels, LEFT_OUT), 0.5)
    assert torch.isfinite(nothing)


def test_a_training_learns_far_more_than_the_majority_class(
    trained: tuple[TrainedModel, RecordingRun], splits: Splits
) -> None:
    model, run = trained
    report = measurable(killable_task()).evaluate(model, None, splits)
    assert report.metrics["mean_iou"].low > report.baseline.metrics["mean_iou"] + 0.15
    assert run.curves is not None
    assert run.answers is not None
    assert (run.answers.labels, len(run.answers.overlays)) == (LABELS, 6)
    assert {"validation/mean_iou", "validation/pixel_accuracy", "validation/loss"} == set(run.points[-1][1])


def test_the_model_describes_itself_and_prepares_pictures_as_transformers_would(
    trained: tuple[TrainedModel, RecordingRun],
) -> None:
    import torch
    from transformers import MobileNetV2ImageProcessorPil

    from evergreen.tasks.image_segmentation.unet import MobileNetV2UNet

    path = trained[0].path
    names = {file.name for file in path.iterdir()}
    assert {"model.safetensors", "config.json", "preprocessor_config.json", "task.json", "history.json"} <= names
    assert json.loads((path / "task.json").read_text())["task"]["kind"] == "image_segmentation"
    picture = draw(3)[0]
    theirs = MobileNetV2ImageProcessorPil.from_pretrained(path)(picture, return_tensors="pt")["pixel_values"]
    ours = normalised(as_floats(torch.tensor(resize_picture(picture, 32, 32))[None]), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert torch.allclose(ours, theirs, atol=1e-5)
    with torch.inference_mode():
        network: Any = MobileNetV2UNet.from_pretrained(path)
        logits = network.eval()(pixel_values=theirs).logits
    (answer,) = load_predictor(path).predict([resize_picture(picture, 32, 32)])
    assert np.array_equal(answer, logits[0].argmax(dim=0).numpy())


def test_no_epoch_decodes_again_and_views_follow_from_seed_epoch_and_row(splits: Splits, tmp_path: Path) -> None:
    from dataclasses import replace

    task = task_with()
    table = PictureCache(tmp_path, 32).table(splits, "train")
    assert isinstance(table.pictures, np.memmap)
    assert table.pictures.shape == (160, 32, 32, 3)
    assert np.array_equal(table[7].picture, resize_picture(decode_picture(scenes(8)[7].image), 32, 32))
    views = replace(table, augmentation=task.augmentation, seed=4)
    assert sorted(views.order(2) % 160) == list(range(160))
    assert views[167].view == views[167].view != views[327].view
    (tmp_path / "chosen").mkdir()
    chosen = PictureCache(tmp_path / "chosen", 32).table(splits, "train", np.array([3, 99]))
    assert np.array_equal(chosen.pictures[1], table.pictures[99])


def test_a_killed_training_ends_with_the_very_same_model(
    trained: tuple[TrainedModel, RecordingRun], splits: Splits, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.tiny_images", str(splits.path), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("248 of 320 rows"):
                process.kill()
                break
        else:
            pytest.fail("the training ended before it could be killed")
    assert not (tmp_path / "model" / "manifest.json").exists()
    run = RecordingRun.below(tmp_path)
    model = trainable(killable_task()).train(splits, run)
    assert run.progress[0][0] > 160
    assert model.version == trained[0].version


def test_a_warm_start_goes_on_from_the_champion_and_only_from_one_of_its_kind(
    trained: tuple[TrainedModel, RecordingRun], splits: Splits, tmp_path: Path
) -> None:
    warm = task_with(epochs=1, warm_start=True)
    run = RecordingRun.below(tmp_path / "warm")
    trainable(warm).train(splits, run, start=trained[0])
    first_cold = next(point["train/loss"] for _, point in trained[1].points if "train/loss" in point)
    assert next(point["train/loss"] for _, point in run.points if "train/loss" in point) < 0.8 * first_cold
    with pytest.raises(InputError, match=r"was trained with architecture 'unet', task.architecture is 'deeplab'"):
        trainable(task_with(architecture="deeplab")).train(
            splits, RecordingRun.below(tmp_path / "other"), start=trained[0]
        )


def test_a_network_of_an_incremental_run_is_the_mean_of_the_champions_and_of_what_was_trained_on_from_it(
    trained: tuple[TrainedModel, RecordingRun], tmp_path: Path
) -> None:
    """New pictures mislead, with each class in another's place, so that what the champion knows is worth keeping."""
    from safetensors.torch import load_file

    drawn = [(row, draw(number)[1]) for number, row in enumerate(scenes(96, 300), start=300)]
    wrong = [row._replace(mask=png(np.where(mask == IGNORED, mask, (mask + 1) % 3))) for row, mask in drawn]
    parts = {"train": wrong, "validation": scenes(8, 400), "test": scenes(3, 500)}
    night = with_replayed(write_splits(tmp_path / "plain", parts), tmp_path / "night")
    alone, mean = (
        trainable(task_with(epochs=1, evaluations_per_epoch=1, champion_share=share)).train(
            night, RecordingRun.below(tmp_path / str(share)), start=trained[0]
        )
        for share in (0.0, 0.5)
    )
    champion, last, mixed = (load_file(model.path / "model.safetensors") for model in (trained[0], alone, mean))

    assert json.loads((mean.path / "history.json").read_text())["champion_share"] == 0.5
    numbers = {name for name, tensor in mixed.items() if tensor.is_floating_point()}
    assert {name for name in numbers if name.endswith("running_var")}
    for name in numbers:
        assert np.allclose(mixed[name], (champion[name] + last[name]) / 2, atol=1e-5)


def test_an_encoder_of_another_family_is_refused(trained: tuple[TrainedModel, RecordingRun], splits: Splits) -> None:
    task = task_with(architecture="segformer", encoder=str(trained[0].path))
    with pytest.raises(InputError, match="cannot be used"):
        trainable(task).train(splits, RecordingRun.below(trained[0].path.parent / "family"))


def test_pretrained_weights_are_used_and_the_head_may_have_other_labels(
    trained: tuple[TrainedModel, RecordingRun],
) -> None:
    import torch
    from safetensors.torch import load_file

    task = task_with(encoder=str(trained[0].path), labels=("a", "b"), ignore_label=IGNORED)
    encoder = ImageTraining(task).encoder_weights
    assert encoder is not None
    network, fresh = encoder.load_network(ARCHITECTURES["unet"], task.labels)
    weights = load_file(trained[0].path / "model.safetensors")
    name = "mobilenet_v2.layer.3.expand_1x1.convolution.weight"
    assert torch.equal(network.state_dict()[name], weights[name])
    assert network.classifier.weight.shape[0] == 2
    assert fresh == {"classifier.weight", "classifier.bias"}, "the decoder was trained and learns at the others' rate"
    assert trainable(task).training_configuration()["encoder"] == f"sha256:{trainable(task).pretrained()}"
