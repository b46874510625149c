"""What a compose file gives a service, filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudbox.box import BoxError
from cloudbox.compose import environment

FILE = """
services:
  zenml:
    environment:
      PLAIN: "false"
      GIVEN: ${URL:-http://127.0.0.1}
      DEFAULT: ${OTHER:-a default}
      EMPTY: ${UNKNOWN}
      WHOLE: https://${HOST:?name it}/$$HOME
      NUMBER: 3
  other:
    image: other
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "compose.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_values_defaults_and_dollar_signs_are_filled_in(file: Path) -> None:
    assert environment(file, "zenml", {"URL": "https://own", "HOST": "host", "OTHER": ""}) == {
        "PLAIN": "false",
        "GIVEN": "https://own",
        "DEFAULT": "a default",
        "EMPTY": "",
        "WHOLE": "https://host/$HOME",
        "NUMBER": "3",
    }


@pytest.mark.parametrize("values", [{}, {"HOST": ""}])
def test_a_value_that_the_file_demands_is_named(file: Path, values: dict[str, str]) -> None:
    with pytest.raises(BoxError, match=r"compose\.yaml, service zenml: HOST is missing \(name it\)"):
        environment(file, "zenml", values)


@pytest.mark.parametrize("service", ["other", "none"])
def test_a_service_without_an_environment_is_named(file: Path, service: str) -> None:
    with pytest.raises(BoxError, match=f"no environment of a service '{service}'"):
        environment(file, service, {})
