"""What docs/text-data.md shows is what configurations take."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.window import Window
from tests.rows import rows_of

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "text-data.md"
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("source", [block["source"] for block in BLOCKS])
def test_a_source_is_valid_and_reads_texts(source: dict[str, Any]) -> None:
    read: Any = TypeAdapter(AnySource).validate_python(source)
    assert {"text", "label"} <= read.mapping.keys()
    assert TypeAdapter(AnySource).validate_json(read.model_dump_json()) == read


def test_a_window_takes_the_rows_of_its_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in BLOCKS if "window" in block)
    window = Window.model_validate(block["window"]).resolve(datetime(2024, 5, 31, 12, tzinfo=UTC))
    times = ["2024-04-30T23:59:59Z", "2024-05-01", "2024-05-30T23:30:00", "2024-05-31T00:30:00+01:00", "2024-05-31"]
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    rows = [f"news {number},sport,{time}" for number, time in enumerate(times)]
    Path("data", "news-1.csv").write_text("\n".join(["headline,category,published_at", *rows]), encoding="utf-8")
    read = source_of(TypeAdapter(AnySource).validate_python(block["source"]))
    dataset = read.read(window, tmp_path / "rows")
    assert [row["text"] for row in rows_of(dataset.shards)] == ["news 1", "news 2", "news 3"]
    assert dataset.manifest.intake is not None
    assert dataset.manifest.intake.left_out == {"row outside of the window": 2}
    Path("data", "news-2.csv").write_text("headline,category,published_at\nnews,sport,\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no timestamp, so no window can hold it"):
        read.read(window, tmp_path / "again")


def test_the_guide_shows_sources() -> None:
    assert len(BLOCKS) > 1


def test_git_ignores_the_rows_of_the_configuration_to_copy_and_no_code() -> None:
    rows = yaml.safe_load((ROOT / "configs" / "my_data.yaml").read_text("utf-8"))["parameters"]["source"]["path"]
    code = "evergreen/data/split.py"
    done = subprocess.run(["git", "check-ignore", "--no-index", rows, code], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    if done.returncode not in {0, 1}:
        pytest.skip("not a checkout of git")
    assert done.stdout.decode().splitlines() == [rows]
