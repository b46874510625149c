"""The production guide names every variable, and gcloud itself has nothing against its lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.gcloud import refused_by_gcloud

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "production.md").read_text("utf-8")
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")
VALUES = {"EVERGREEN_BUCKET": "gs://bucket"}


def lines() -> list[str]:
    """Every line of the guide's shell blocks, continued lines joined."""
    text = "".join(BLOCK.findall(GUIDE)).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines()]


def gcloud_lines() -> list[str]:
    """What stands after `gcloud`, with an innocent value for each variable."""
    plain = [line.partition("   #")[0].partition(" #")[0] for line in lines() if line.startswith("gcloud ")]
    plain = [line.replace("${EVERGREEN_BUCKET#gs://}", "bucket") for line in plain]
    return [re.sub(r"\$(\w+)", lambda match: VALUES.get(match[1], "news-project"), line) for line in plain]


@pytest.mark.parametrize(
    "file", ["configs/prod.yaml", "configs/staging.yaml", "configs/pets_prod.yaml", "stacks/vertex.yaml"]
)
def test_every_variable_of_a_file_is_exported_by_the_guide(file: str) -> None:
    exported = {match for line in lines() for match in re.findall(r"(?:^export | )([A-Z_]+)=", line)}
    text = (ROOT / file).read_text("utf-8")
    wanted = set(VARIABLE.findall(re.sub(r"#.*", "", text)))
    assert wanted
    assert wanted - exported == set()


def test_all_that_the_servers_are_told_is_made_or_written_down_by_the_guide() -> None:
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]
    told = str([services[name] for name in ("zenml", "mlflow", "caddy")])
    wanted = set(re.findall(r"\$\{([A-Z_]+)", told))
    script = (ROOT / "infra" / "secrets.sh").read_text("utf-8")
    made = {word for words in re.findall(r"^for name in (.*); do", script, re.MULTILINE) for word in words.split()}
    written = {match for line in lines() for match in re.findall(r"^([A-Z_]+)=", line)}
    assert len(wanted) >= 8
    assert wanted - made - written == set()


def test_the_guide_grants_and_builds_from_files_that_exist() -> None:
    named = set(re.findall(r"\binfra/[\w.-]+\.(?:yaml|json|Dockerfile)\b", GUIDE))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_gcloud_knows_every_command_and_option_of_the_guide(tmp_path: Path) -> None:
    commands = gcloud_lines()
    assert len(commands) > 20
    assert refused_by_gcloud(commands, tmp_path) == []
