"""What the files of a pretrained model say of themselves, without loading it: whether it needs code, and its weights.

Weights are `model.safetensors`, or the shards that `model.safetensors.index.json` lists:
{"weight_map": {"bert.embeddings.word_embeddings.weight": "model-00001-of-00002.safetensors", …}}
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from evergreen.core.errors import InputError
from evergreen.core.lfs import FETCH_IT, HEAD_BYTES, is_lfs_pointer
from evergreen.runtime.hub import first_line

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_MAY_NAME_CODE = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
_OTHER_FORMATS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".onnx", ".gguf")
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")
CONVERT = "pickled weights can run code and are never loaded; save them as model.safetensors with transformers"


class UnusableError(InputError):
    """Why a pretrained model cannot be used; whoever knows its name makes a sentence of it."""


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is no such file.

    Raises:
        UnusableError: it is no JSON object.
    """
    path = folder / name
    if not path.is_file():
        return {}
    check_fetched(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise UnusableError(f"its {name} is nested too deep for a model's; download it again") from error
    except ValueError as error:
        raise UnusableError(f"its {name} is no JSON ({first_line(error)}); download it again") from error
    if not isinstance(content, dict):
        raise UnusableError(f"its {name} holds {type(content).__name__}, not a JSON object; download it again")
    return content


def check_no_code(folder: Path) -> None:
    """Returns when the model needs no Python of its own.

    Raises:
        UnusableError: it does; it is not run.
    """
    for name in _MAY_NAME_CODE:
        if read_object(folder, name).get("auto_map"):
            raise UnusableError(
                f"its {name} names Python code of its own (auto_map), and code of a model is never run; take a model "
                "whose architecture is part of transformers, or remove auto_map where that is enough"
            )


def weights_among(names: Collection[str]) -> str:
    """WEIGHTS or WEIGHTS_INDEX, whichever is among a model's file names.

    Raises:
        UnusableError: neither; what is there instead is named.
    """
    for name in (WEIGHTS, WEIGHTS_INDEX):
        if name in names:
            return name
    if "adapter_config.json" in names:
        raise UnusableError("it is an adapter alone, not a whole model; merge it into its base model and save that")
    if other := sorted(name for name in names if name.endswith(_OTHER_FORMATS)):
        raise UnusableError(f"it has no *.safetensors weights but {other[0]}: {CONVERT}")
    if other := sorted(name for name in names if name.endswith(".safetensors")):
        raise UnusableError(f"its weights are named {other[0]}; rename them to {WEIGHTS}, as transformers reads them")
    raise UnusableError(f"it has no *.safetensors weights ({WEIGHTS}, or {WEIGHTS_INDEX} and its shards)")


def weights_files(folder: Path) -> list[str]:
    """The names of the files that hold the weights, by what is in a folder; they need not be there themselves.

    Raises:
        UnusableError: there are none.
    """
    if weights_among([path.name for path in folder.iterdir() if path.is_file()]) == WEIGHTS:
        return [WEIGHTS]
    listed = read_object(folder, WEIGHTS_INDEX).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise UnusableError(f"its {WEIGHTS_INDEX} has no weight_map; download it again")
    names = sorted({str(name) for name in listed.values()})
    if outside := [name for name in names if Path(name).name != name]:
        raise UnusableError(f"its {WEIGHTS_INDEX} lists {outside[0]!r}, which is no file name")
    return names


def check_weights(folder: Path) -> None:
    """Returns when every file of the weights is there and whole, by its header; no weight is read.

    Raises:
        UnusableError: naming the file.
    """
    for name in weights_files(folder):
        if not (folder / name).is_file():
            raise UnusableError(f"{WEIGHTS_INDEX} lists {name}, which is missing; download it")
        _check_header(folder / name)


def check_fetched(path: Path) -> None:
    """Returns when a file is not the pointer that Git leaves in place of a large one.

    Raises:
        UnusableError: it is.
    """
    if is_lfs_pointer(_head(path)):
        raise UnusableError(f"{path.name} {FETCH_IT}")


def _check_header(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    check_fetched(path)
    head = _head(path)
    if not head:
        raise UnusableError(f"{path.name} is empty (0 bytes); download it again")
    if head.startswith(_PICKLES):
        raise UnusableError(f"{path.name} is no safetensors file but a pickled one: {CONVERT}")
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise UnusableError(
            f"{path.name} is no whole safetensors file ({first_line(error)}); download it again"
        ) from error
    if not names:
        raise UnusableError(f"{path.name} holds no weights; download it again")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
