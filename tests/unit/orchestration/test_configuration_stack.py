from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.core.errors import InputError
from orchestration.configuration import Configuration, find

CONFIGURATION = Configuration(Path("prod.yaml"), ("vertex", "emulated"), None, {})


def test_a_stack_that_the_configuration_is_meant_for_passes() -> None:
    CONFIGURATION.check_stack("emulated", ["default", "emulated"])


def test_another_active_stack_stops_with_the_line_that_sets_the_right_one() -> None:
    with pytest.raises(
        InputError, match=r"prod\.yaml is meant for stack 'vertex' or 'emulated', but stack 'default'"
    ) as caught:
        CONFIGURATION.check_stack("default", ["default", "emulated"])
    assert str(caught.value).endswith("\n  zenml stack set emulated")


def test_an_unregistered_stack_is_told_how_to_register() -> None:
    with pytest.raises(InputError) as caught:
        CONFIGURATION.check_stack("default", ["default"])
    assert str(caught.value).endswith("\n  python -m stacks.apply vertex")


def test_a_name_means_a_file_in_configs_and_a_path_works_too(tmp_path: Path) -> None:
    assert find("local.yaml").parts[-2:] == ("configs", "local.yaml")
    own = tmp_path / "own.yaml"
    own.touch()
    assert find(own) == own
    assert find(str(own)) == own


def test_a_missing_configuration_lists_those_that_exist_and_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no configuration 'locl\.yaml'; did you mean 'local\.yaml'") as caught:
        find("locl.yaml")
    assert "my_data.yaml" in str(caught.value)
