from __future__ import annotations

from pathlib import Path

import pytest

import evergreen
from evergreen.core.errors import EvergreenError
from orchestration.uploaded_code import check_library


def test_the_library_beside_the_steps_is_taken() -> None:
    check_library()


def test_a_library_that_the_image_brings_is_refused_with_both_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(evergreen, "__file__", str(tmp_path / "site-packages" / "evergreen" / "__init__.py"))
    with pytest.raises(EvergreenError) as refused:
        check_library()
    root = Path(__file__).resolve().parents[3]
    assert f"imported from {tmp_path / 'site-packages'}, and the code of this run lies in {root}:" in str(refused.value)
    assert "infra/pipeline.Dockerfile" in str(refused.value)
