"""The map of Google projects: what it gives, and what it says of an entry that cannot be used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.github.files import export, set_outputs
from commands.github.models import model_name
from commands.github.projects import access_to, names_of
from commands.parser import main
from evergreen.core.errors import InputError

ROOT = Path(__file__).parents[3]
ENTRY = {
    "provider": "projects/123/locations/global/workloadIdentityPools/github/providers/evergreen",
    "service_account": "evergreen-deliver@hers.iam.gserviceaccount.com",
}


def answer_to(entry: Any, project: str = "hers", region: str = "europe-west4") -> str:
    with pytest.raises(InputError) as caught:
        access_to(project, region, entry if isinstance(entry, str) else json.dumps({"hers": entry}))
    return str(caught.value)


def test_every_collaborator_has_a_project_of_her_own() -> None:
    his = {
        **ENTRY,
        "service_account": "deliver@his.iam.gserviceaccount.com",
        "environment": {"EVERGREEN_BUCKET": "gs://his"},
    }
    variable = json.dumps({"hers": ENTRY, "his": his})
    assert access_to("hers", "europe-west4", variable).environment["EVERGREEN_BUCKET"] == "gs://hers-evergreen"
    access = access_to("his", "us-east1", variable)
    assert (access.service_account, access.environment["EVERGREEN_BUCKET"]) == (his["service_account"], "gs://his")
    assert access.environment["EVERGREEN_REGISTRY"] == "us-east1-docker.pkg.dev/his/evergreen"


def test_the_names_are_those_of_the_guide() -> None:
    guide = (ROOT / "docs" / "production.md").read_text("utf-8")
    block = re.search(r"## 1\. Names.*?```bash\n(.*?)```", guide, re.DOTALL)
    assert block
    script = ["bash", "-c", f"{block[1]}\nenv -0"]
    shown = subprocess.run(script, capture_output=True, check=True, env={}).stdout.decode()
    exported = dict(pair.split("=", 1) for pair in shown.split("\0") if "=" in pair)
    names = names_of("news-production", "europe-west4")
    assert names == {name: exported[name] for name in names}


def test_the_entry_that_the_guide_shows_is_taken() -> None:
    guide = (ROOT / "docs" / "production.md").read_text("utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert set(access_to("news-production", "europe-west4", shown).environment) >= {"BASE_DIGEST", "ZENML_STORE_URL"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("", "GOOGLE_PROJECTS is not set"),
        ("{", "GOOGLE_PROJECTS is not JSON"),
        ("[]", "should be an object, one entry a project, got list"),
        ("{}", "project 'hers' is not in GOOGLE_PROJECTS (has: none)"),
        ([], "GOOGLE_PROJECTS: hers: should be an object"),
        ({**ENTRY, "key": "{}"}, "unknown key (allowed: environment, provider, service_account)"),
        ({"provider": ENTRY["provider"]}, "service_account should be NAME@PROJECT.iam.gserviceaccount.com, got None"),
        ({**ENTRY, "provider": "github"}, "provider should be projects/NUMBER/…/providers/NAME, got 'github'"),
        ({**ENTRY, "environment": {"PATH": "/opt"}}, "PATH cannot be set"),
        ({**ENTRY, "environment": {"ZENML_STORE_API_KEY": "x"}}, "ZENML_STORE_API_KEY is a secret"),
        ({**ENTRY, "environment": {"EVERGREEN_BUCKET": "a\nPATH=/opt"}}, "EVERGREEN_BUCKET should be one line"),
    ],
)
def test_an_entry_that_cannot_be_used_is_told(entry: Any, message: str) -> None:
    assert message in answer_to(entry)


def test_the_name_of_a_key_of_one_s_own_is_no_secret() -> None:
    entry = {**ENTRY, "environment": {"EVERGREEN_KMS_KEY": "projects/hers/key"}}
    access = access_to("hers", "europe-west4", json.dumps({"hers": entry}))
    assert access.environment["EVERGREEN_KMS_KEY"] == "projects/hers/key"


def test_what_is_no_project_or_region_is_told() -> None:
    assert "'No' is no id of a Google project" in answer_to(ENTRY, project="No")
    assert "--region should be a region of Vertex AI" in answer_to(ENTRY, region="mars")


def test_a_line_break_in_a_value_sets_no_other_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ENV", str(tmp_path / "env"))
    with pytest.raises(InputError, match="EVERGREEN_BUCKET holds a line break"):
        export({"EVERGREEN_BUCKET": "gs://a\nLD_PRELOAD=/tmp/x.so"})
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_model_of_each_configuration_is_read_without_a_yaml_library(path: Path) -> None:
    assert model_name(path, "") == yaml.safe_load(path.read_text("utf-8"))["parameters"]["model_name"]
    assert model_name(path, "news-of-a-branch") == "news-of-a-branch"


def test_one_model_is_one_group_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_PROJECTS", json.dumps({"hers": ENTRY}))
    config, lines = str(ROOT / "configs" / "prod.yaml"), []
    for name in ("", "news"):
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / f"output-{name}"))
        command = ["access", "--project", "hers", "--region", "europe-west4", "--config", config, "--name", name]
        assert main(command) == 0
        lines.append(
            [line for line in (tmp_path / f"output-{name}").read_text("utf-8").splitlines() if "model" in line]
        )
    assert lines == [["model=news"], ["model=news"]]


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("steps: {}\n", "", "has no one line 'model_name: …' below 'parameters:'"),
        ("extra:\n  model_name: news\n", "", "has no one line"),
        ("parameters:\n  model_name: ${NAME}\n", "", "model '${NAME}': lower-case letters"),
        ("parameters:\n  model_name: news\n", "News!", "model 'News!': lower-case letters"),
        (None, "news", "no configuration"),
    ],
)
def test_a_delivery_of_no_model_is_told(tmp_path: Path, text: str | None, given: str, message: str) -> None:
    config = tmp_path / "own.yaml"
    if text is not None:
        config.write_text(text, "utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        model_name(config, given)


def test_outside_of_github_a_shell_gets_the_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_PROJECTS", json.dumps({"hers": {**ENTRY, "environment": {"EVERGREEN_X": "a b"}}}))
    for name in ("GITHUB_OUTPUT", "GITHUB_ENV"):
        monkeypatch.delenv(name, raising=False)
    assert main(["access", "--project", "hers", "--region", "europe-west4"]) == 0
    out = capsys.readouterr()
    assert "export EVERGREEN_X='a b'\n" in out.out
    assert out.err == f"hers: {ENTRY['service_account']} through {ENTRY['provider']}\n"
    set_outputs({"nothing": "happens"})


def test_the_command_needs_nothing_that_is_installed() -> None:
    command = ["run.py", "access", "--project", "hers", "--region", "europe-west4"]
    bare = [sys.executable, "-S", "-E", *command]  # without what pip installs
    environment = {"GOOGLE_PROJECTS": json.dumps({"hers": ENTRY})}
    done = subprocess.run(bare, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
