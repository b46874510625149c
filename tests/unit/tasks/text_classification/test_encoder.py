from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from evergreen.core.artifacts import sha256_of
from evergreen.core.errors import EvergreenError, InputError
from evergreen.tasks import pretrained
from evergreen.tasks.text_classification.encoder import Encoder

FILES = ("config.json", "tokenizer.json", "model.safetensors")


def write_files(folder: Path) -> Path:
    """A model's files, of which only the weights have content."""
    for name in FILES:
        (folder / name).write_text("{}")
    save_file({"embeddings": np.zeros((2, 2), dtype=np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def test_a_local_folder_is_where_it_is(folder: Path) -> None:
    assert Encoder(reference=str(folder)).check() == str(folder)


def test_a_package_is_found_without_being_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "weights_of_a_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model").mkdir()
    write_files(package / "model")
    monkeypatch.syspath_prepend(str(folder))

    assert Encoder(reference="package://weights_of_a_package/model").check() == str(package / "model")


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("package://no_such_package/model", "'no_such_package' is not installed; pip install it"),
        ("package://json/weights", "no folder 'weights'"),
        ("package://no-name/model", "'no-name' is no import name of a top-level package"),
        ("package://json/../../etc", "path '../../etc' leaves the package; give it relative to the package's folder"),
        ("package://json//etc", "path '/etc' leaves the package"),
        ("package://json/a/../../..", "leaves the package"),
        ("/no/such/folder", "no such folder"),
        ("./no-such-folder", "no such folder"),
        ("s3://bucket/model", "no such folder"),
        ("a/b/c", "no such folder"),
    ],
)
def test_an_encoder_that_is_nowhere_is_named_with_what_is_allowed(reference: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        Encoder(reference=reference).check()

    assert reason in str(caught.value)
    assert repr(reference) in str(caught.value)
    assert "package://PACKAGE/FOLDER" in str(caught.value)


@pytest.mark.parametrize("missing", FILES)
def test_a_folder_that_lacks_a_part_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()

    with pytest.raises(InputError, match=Path(missing).stem if missing != "model.safetensors" else "safetensors"):
        Encoder(reference=str(folder)).check()


def test_a_token_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(InputError, match="variable NO_SUCH_TOKEN is not set; export it, or remove token_env"):
        Encoder.model_validate({"reference": "org/model", "token_env": "NO_SUCH_TOKEN"}).check()


def test_the_hub_is_asked_with_the_token_that_the_variable_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str | None]] = []

    class Api:
        def __init__(self, _endpoint: str | None = None, token: str | None = None) -> None:
            self.token = token

        def model_info(self, *_: object, **__: object) -> Any:
            shown.append(("revision", self.token))
            return SimpleNamespace(sha="c0ffee", siblings=[SimpleNamespace(rfilename=name) for name in FILES])

    def download(*_: object, token: str | None, **__: object) -> str:
        shown.append(("file", token))
        raise OSError("enough")

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setenv("READING", "hf_reading")
    with pytest.raises(EvergreenError, match="enough"):
        Encoder.model_validate({"reference": "org/never-cached", "token_env": "READING"}).check()
    assert shown == [("revision", "hf_reading"), ("file", "hf_reading")]


def test_weights_are_hashed_once_while_they_stay_what_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return sha256_of(path)

    monkeypatch.setattr(pretrained, "sha256_of", counted)
    encoder = Encoder(reference=str(folder))
    first = encoder.fingerprint()
    assert (encoder.fingerprint(), encoder.portable_reference()) == (first, f"sha256:{first}")
    assert len(hashed) == len(set(hashed)) > 1
    (folder / "tokenizer.json").write_text('{"version": "1"}', encoding="utf-8")
    assert encoder.fingerprint() != first
    assert hashed[-1] == "tokenizer.json"
    assert hashed.count("model.safetensors") == 1
