from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.adapters.huggingface.source import is_own


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("hf://datasets/our-lab/pets@12040ac/images/1.jpg", True),
        ("zip://1.jpg::hf://datasets/our-lab/pets@12040ac/images.zip", True),
        ("https://huggingface.co/datasets/our-lab/pets/resolve/main/1.jpg", True),
        ("hf://datasets/our-lab/private@12040ac/images/1.jpg", False),
        ("hf://datasets/our-lab/pets@12040ac/../../private/1.jpg", False),
        ("hf://datasets/our-lab/pets-private@12040ac/1.jpg", False),
        ("https://example.com/1.jpg", False),
        ("/etc/passwd", False),
        ("etc/passwd", False),
        ("/etc/passwd::hf://datasets/our-lab/pets@12040ac/images.zip", False),
        ("file:///etc/passwd::hf://datasets/our-lab/pets@12040ac/images.zip", False),
        ("", False),
    ],
)
def test_a_data_set_of_the_hub_names_files_of_its_own_alone(path: str, own: bool) -> None:
    assert is_own(path, "our-lab/pets") is own


def test_a_folder_names_files_below_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    name = str(tmp_path / "pets")
    assert is_own(f"{name}/images/1.jpg", name)
    assert is_own(f"zip://1.jpg::{name}/images.zip", name)
    assert not is_own(f"{name}-private/1.jpg", name)
    assert not is_own(f"{name}/../1.jpg", name)
    assert not is_own(f"file://{name}/1.jpg", name)
