"""What docs/picture-data.md shows is what configurations take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from evergreen.adapters.kinds import AnySource
from evergreen.data.split_plan import SplitPlan
from evergreen.preparation import LocalRunnerSettings, Preparation
from evergreen.tasks.image_segmentation.schema import Schema
from evergreen.tasks.image_segmentation.settings import ImageRules

GUIDE = Path(__file__).parents[2] / "docs" / "picture-data.md"
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("source", [block["source"] for block in BLOCKS if "source" in block])
def test_a_source_is_valid_and_reads_pictures(source: dict[str, Any]) -> None:
    settings: Any = TypeAdapter(AnySource).validate_python(source)
    assert {"image", "mask"} <= settings.mapping.keys()
    assert TypeAdapter(AnySource).validate_json(settings.model_dump_json()) == settings


def test_the_schema_and_the_rules_are_valid(tmp_path: Path) -> None:
    (schema,) = [block for block in BLOCKS if "columns" in block]
    (rules,) = [block["rules"] for block in BLOCKS if "rules" in block]
    (tmp_path / "pets.yaml").write_text(yaml.safe_dump(schema))
    read = ImageRules.model_validate(rules | {"expected": str(tmp_path / "pets.yaml")})
    assert read.expected == Schema.model_validate(schema)
    assert read.max_bad_share == 0.001


def test_the_preparation_is_valid_with_either_runner() -> None:
    (settings,) = [block["parameters"]["prepare"] for block in BLOCKS if "parameters" in block]
    (runner,) = [block["runner"] for block in BLOCKS if "runner" in block]
    assert Preparation.model_validate(settings).runner == LocalRunnerSettings()
    chosen = Preparation.model_validate(settings | {"runner": runner}).runner
    assert chosen.kind == "dataflow"
    assert chosen.max_workers == 8


def test_the_split_is_valid_and_shows_the_default_distance() -> None:
    (written,) = [block["split"] for block in BLOCKS if "split" in block]
    assert SplitPlan.model_validate(written) == SplitPlan()


def test_the_guide_has_a_source_of_each_kind() -> None:
    kinds = {block["source"]["kind"] for block in BLOCKS if "source" in block}
    assert kinds == {"files", "huggingface", "oxford_pets", "shapes"}
