from pathlib import Path

from commands import case
from commands.case import Result
from orchestration.document import read


def test_a_message_that_names_half_a_character_can_be_printed() -> None:
    result = Result(case="a\udce9", exit=2, message="no file '/tmp/\ud83d.csv'")
    assert result.message == "no file '/tmp/\\ud83d.csv'"
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_a_copy_with_another_port_holds_the_types_that_were_written(tmp_path: Path) -> None:
    config = tmp_path / "written.yaml"
    config.write_text("parameters: {host: {port: 8501}, revision: '1e5', rate: 1e-5, at: 2024-05-01}\n", "utf-8")
    copied = read(case._with_room(config, {"port": 0}, tmp_path)).written
    assert copied["parameters"] == read(config).written["parameters"] | {"host": {"port": 0}}
