"""What is refused by the files of a pretrained model alone, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from evergreen.core.errors import InputError
from evergreen.tasks.encoder_files import WEIGHTS, WEIGHTS_INDEX
from evergreen.tasks.text_classification.encoder import Encoder

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file({"embeddings": np.zeros((8, 8), dtype=np.float32)}, tmp_path / WEIGHTS)
    return tmp_path


def overwrite(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def rename_weights(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / WEIGHTS).rename(folder / name)


def cut_off(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])


def lose_a_shard(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
    shards = {"embeddings": "model-00001-of-00002.safetensors", "head": "model-00002-of-00002.safetensors"}
    (folder / WEIGHTS_INDEX).write_text(json.dumps({"weight_map": shards}))


def leave_an_adapter(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")


def leave_an_adapter_alone(folder: Path) -> None:
    leave_an_adapter(folder)
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (overwrite(WEIGHTS, POINTER), "model.safetensors is a Git LFS pointer.*`git lfs pull`"),
        (overwrite("tokenizer.json", POINTER), "tokenizer.json is a Git LFS pointer"),
        (overwrite("config.json", POINTER), "config.json is a Git LFS pointer"),
        (overwrite(WEIGHTS, b""), r"model.safetensors is empty \(0 bytes\); download it again"),
        (overwrite(WEIGHTS, b"<!DOCTYPE html><title>404"), "model.safetensors is no whole safetensors file"),
        (overwrite(WEIGHTS, b"PK\x03\x04archive/data.pkl"), "no safetensors file but a pickled one.*never loaded"),
        (cut_off, "no whole safetensors file.*download it again"),
        (rename_weights("pytorch_model.bin"), "no .*safetensors weights but pytorch_model.bin: pickled .*never loaded"),
        (rename_weights("weights.safetensors"), "weights are named weights.safetensors; rename them to model.safetens"),
        (lambda folder: (folder / WEIGHTS).unlink(), r"no \*.safetensors weights \(model.safetensors, or"),
        (lose_a_shard, "lists model-00002-of-00002.safetensors, which is missing; download it"),
        (leave_an_adapter, "an adapter alone, not a whole model; merge it into its base model"),
        (leave_an_adapter_alone, "is an adapter alone .*; merge it into its base model"),
        (overwrite("config.json", b"{'model_type': bert}"), "its config.json is no JSON .*; download it again"),
        (
            overwrite("config.json", b"[" * 200_000),
            "its config.json is nested too deep for a model's; download it again",
        ),
        (overwrite("config.json", b'"\xff"'), "its config.json is no JSON .*; download it again"),
        (overwrite("config.json", b"[]"), "its config.json holds list, not a JSON object"),
        (overwrite("config.json", b'{"auto_map": {"AutoModel": "m.M"}}'), "config.json names Python code of its own"),
        (
            overwrite("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["t.T", null]}}'),
            "code of a model is ne",
        ),
    ],
)
def test_an_encoder_that_cannot_be_loaded_is_refused_by_its_files(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    for ask in (Encoder(reference=str(folder)).check, Encoder(reference=str(folder)).fingerprint):
        with pytest.raises(InputError, match=rf"encoder '.*' cannot be used: .*{message}"):
            ask()


def test_an_index_that_leads_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS_INDEX).write_text('{"weight_map": {"a": "../other/model.safetensors"}}')
    with pytest.raises(InputError, match=r"lists '../other/model.safetensors', which is no file name"):
        Encoder(reference=str(folder)).check()


def test_an_encoder_without_a_vocabulary_file_is_left_to_its_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert Encoder(reference=str(folder)).check() == str(folder)
