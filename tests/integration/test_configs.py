"""Every file in configs/ is one that the training pipeline takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.configuration import CONFIGS_DIRECTORY, load
from stacks.declaration import declaration

FILES = sorted(CONFIGS_DIRECTORY.glob("*.yaml"))


def test_there_are_configurations() -> None:
    assert {path.name for path in FILES} >= {"local.yaml", "ag_news.yaml", "my_data.yaml"}


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_a_configuration_is_valid_and_says_how_to_launch_it(path: Path) -> None:
    from pipelines.training import training

    assert path.read_text(encoding="utf-8").startswith(f"# python run.py --config {path.name}\n")
    configuration = load(path.name, training)
    assert all(declaration(stack).components for stack in configuration.stacks)


def test_no_two_models_share_a_port_or_a_name() -> None:
    import yaml

    parameters = [yaml.safe_load(path.read_text(encoding="utf-8"))["parameters"] for path in FILES]
    names = [one["model_name"] for one in parameters]
    ports = [one["host"].get("port") for one in parameters if one["host"]["kind"] == "local_endpoint"]
    assert len(set(names)) == len(names)
    assert len(set(ports)) == len(ports)
