from pathlib import Path

import pytest

from evergreen.core.engines import (
    ENGINES_FOLDER,
    EngineChoice,
    Engines,
    EnginesManifest,
    MeasuredEngine,
    add_engines,
    read_engines,
)
from evergreen.core.errors import InputError
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import KINDS, EngineTable, Table
from evergreen.core.versions import ModelVersion
from tests.engines import write_engines


def test_what_was_put_beside_a_model_is_replaced_whole(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    add_engines(model, write_engines(tmp_path / "one", "a"))
    (model / ENGINES_FOLDER / "left.onnx").write_bytes(b"")
    add_engines(model, write_engines(tmp_path / "two", "b"))
    served = read_engines(model, "b")
    assert served is not None
    assert sorted(path.name for path in (model / ENGINES_FOLDER).iterdir()) == [
        "choice.json",
        "fp32.onnx",
        "kept_inputs.json",
        "manifest.json",
    ]
    assert [path.name for path in model.iterdir()] == [ENGINES_FOLDER]
    with pytest.raises(InputError, match="holds engines of version b, not of a"):
        read_engines(model, "a")


def test_a_graph_that_was_not_admitted_goes_to_no_host(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    made = write_engines(tmp_path / "made", "a", others=("int8-u8s8", "int8-u8u8"), admitted="int8-u8u8")
    add_engines(model, made)
    served = read_engines(model, "a")
    assert served is not None
    assert [variant.name for variant in served.engines.manifest.variants] == ["fp32", "int8-u8u8"]
    served.engines.check_files()
    assert {path.name for path in (model / ENGINES_FOLDER).glob("*.onnx")} == {"fp32.onnx", "int8-u8u8.onnx"}
    assert len(made.engines.manifest.variants) == 3  # the artifact keeps them, and the choice what was measured
    assert served.choice == made.choice


def test_no_engines_are_none(tmp_path: Path) -> None:
    assert read_engines(tmp_path) is None
    refused = Engines.write(tmp_path, EnginesManifest(files=(), model="a", refused="it cannot"))
    assert refused.manifest.facts == {"engines": "none: it cannot"}


def test_the_section_comes_back_as_it_was_and_is_a_table(tmp_path: Path) -> None:
    section = EngineTable(choice=write_engines(tmp_path / "made", "a").choice)
    assert KINDS["engines"].model_validate_json(section.model_dump_json()) == section
    table = section.table()
    assert isinstance(table, Table)
    assert table.title == "Engines: fp32 serves on avx2: the fastest"
    assert "sections" in EvaluationReport.model_fields


@pytest.mark.parametrize(("grew", "shown"), [(43_700_000, 44), (0, "less than could be measured")])
def test_memory_that_no_measurement_shows_is_not_called_none(grew: int, shown: object) -> None:
    engine = MeasuredEngine(
        name="int8",
        rows_per_s=1,
        latency_p50_ms=1,
        latency_p95_ms=1,
        memory_bytes=grew,
        size_bytes=23_000_000,
        admitted=True,
        reason="it is as good",
    )
    choice = EngineChoice(serves="int8", instruction_set="avx2", reason="the fastest", variants=(engine,))
    table = EngineTable(choice=choice).table()
    assert dict(zip(table.columns, table.rows[0], strict=True))["memory MB"] == shown


def test_versions_of_before_have_no_engines() -> None:
    fields = {"version": "a", "artifact": "1", "report": "2", "recipe": "r", "run": "n", "judged_against": None}
    assert ModelVersion.model_validate({**fields, "metrics": {}, "examples": ()}).engines is None
