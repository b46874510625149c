import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from evergreen.adapters import PackageSource
from evergreen.core.errors import InputError
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
    source = PackageSource(package=package, path="data")
    dataset = source.read(None, tmp_path / "out")
    assert rows_of(dataset.shards) == [{"id": "sports/1", "text": "A late goal.", "label": "sports"}]
    assert dataset.manifest.source == source.identity(None)
    assert dataset.manifest.source.kind == "package"
    assert dataset.manifest.source.rows == 1
    assert package not in sys.modules


def test_a_package_that_is_not_installed_is_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="no package 'not_there' is installed; pip install it"):
        PackageSource(package="not_there", path="data").identity(None)


def test_a_path_that_the_package_lacks_is_an_error(package: str) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        PackageSource(package=package, path="texts").identity(None)


@pytest.mark.parametrize("fields", [{"path": "../x"}, {"path": "/etc"}, {"package": "os.path"}])
def test_a_path_out_of_the_package_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PackageSource.model_validate({"package": "json", "path": "data", **fields})
