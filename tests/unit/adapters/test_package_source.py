import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.rows import rows_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    root = tmp_path / "site" / "carried_news"
    (root / "data" / "sports").mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')")
    (root / "data" / "sports" / "1.txt").write_text("A late goal.")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return "carried_news"


def test_files_of_a_package_are_read_without_importing_it(package: str, tmp_path: Path) -> None:
    source = FilesSettings(path=f"package://{package}/data")
    dataset = source_of(source).read(None, tmp_path / "out")
    assert rows_of(dataset.shards) == [{"id": "sports/1", "text": "A late goal.", "label": "sports"}]
    assert dataset.manifest.source == source_of(source).identity(None)
    assert dataset.manifest.source.description.startswith("package://carried_news/data (1 text_folders file")
    assert dataset.manifest.source.rows == 1
    assert package not in sys.modules


def test_a_package_that_is_not_installed_is_an_error_that_says_so() -> None:
    said = r"source\.path 'package://not_there/data': package 'not_there' is not installed; pip install it"
    with pytest.raises(InputError, match=said):
        source_of(FilesSettings(path="package://not_there/data")).identity(None)


def test_a_path_that_the_package_lacks_is_an_error(package: str) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        source_of(FilesSettings(path=f"package://{package}/texts")).identity(None)


@pytest.mark.parametrize("address", ["json/../x", "json//etc", "os.path/data", "/data"])
def test_a_path_out_of_the_package_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"leaves the package|import name"):
        FilesSettings(path=f"package://{address}")


def test_a_pattern_in_a_package_means_its_files(package: str, tmp_path: Path) -> None:
    dataset = source_of(FilesSettings(path=f"package://{package}/data/*/*.txt", format="text_folders")).read(
        None, tmp_path / "out"
    )
    assert dataset.manifest.rows == 1


def test_equal_files_in_a_package_and_in_a_folder_have_one_identity(package: str, tmp_path: Path) -> None:
    inside, folder = f"package://{package}/data", str(tmp_path / "site" / package / "data")
    packaged, other = (source_of(FilesSettings(path=path)).identity(None) for path in (inside, folder))
    assert packaged.fingerprint == other.fingerprint


def test_a_package_is_never_written(package: str) -> None:
    source = source_of(FilesSettings(path=f"package://{package}/data"))
    with pytest.raises(InputError, match="never written"):
        source.destination(windowed=False)
    with pytest.raises(InputError, match=r"set source\.path"):
        source.prepared_folder()
