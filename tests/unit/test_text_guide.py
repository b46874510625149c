"""What docs/text-data.md shows is what configurations take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from evergreen.adapters.sources import AnySource

GUIDE = Path(__file__).parents[2] / "docs" / "text-data.md"
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("source", [block["source"] for block in BLOCKS])
def test_a_source_is_valid_and_reads_texts(source: dict[str, Any]) -> None:
    read: Any = TypeAdapter(AnySource).validate_python(source)
    assert {"text", "label"} <= read.mapping.keys()
    assert TypeAdapter(AnySource).validate_json(read.model_dump_json()) == read


def test_the_guide_shows_sources() -> None:
    assert len(BLOCKS) > 1
