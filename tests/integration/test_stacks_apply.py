"""The command that registers stacks, in processes of its own against a fresh ZenML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import stacks.apply
from evergreen.core.errors import InputError
from orchestration.mistakes import ConfigurationError, dotted
from stacks import declaration as module
from stacks.declaration import declaration
from tests.own_zenml import ROOT, copy_home, environment, python

DEAD_SERVER = "https://user:s3cret@127.0.0.1:9"  # nothing listens on the discard port


def apply_local(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return python(home, "-m", "stacks.apply", "local", *arguments, cwd=ROOT, **variables)


def active_stack(home: Path, cwd: Path = ROOT) -> dict[str, list[str]]:
    script = (
        "import json; from zenml.client import Client; s = Client().active_stack_model\n"
        "print(json.dumps({s.name: sorted(k.value + ':' + c[0].flavor_name for k, c in s.components.items())}))"
    )
    return dict(json.loads(python(home, "-c", script, cwd=cwd).stdout.splitlines()[-1]))


LOCAL = {"local": ["artifact_store:local", "experiment_tracker:mlflow", "orchestrator:local"]}


def test_the_stack_is_registered_once_and_set(tmp_path: Path) -> None:
    first = apply_local(tmp_path, ZENML_LOGGING_COLORS_DISABLED="")
    assert first.returncode == 0, first.stderr
    assert "Creating database tables\n" in first.stdout
    assert "\x1b" not in first.stdout  # it is no terminal
    assert first.stdout.count(": registered") == 4
    assert first.stdout.endswith("stack 'local' is active; next\n  python run.py --config local.yaml\n")
    assert active_stack(tmp_path) == LOCAL
    again = apply_local(tmp_path)
    assert again.stdout.count(": unchanged") == 4


def test_a_change_of_the_file_is_carried_out(tmp_path: Path, laid_out: Path) -> None:
    copy_home(laid_out, tmp_path)
    script = (
        "from stacks.apply import apply; from stacks.declaration import Component, Declaration\n"
        "local = Component(flavor='local')\n"
        "both = {'orchestrator': local, 'artifact_store': local}\n"
        "def go(**more): print(*apply('own', Declaration(components=both | more)), sep='\\n')\n"
        "go(experiment_tracker=Component(flavor='mlflow', configuration={'experiment_name': 'a', 'nested': True}))\n"
        "go(experiment_tracker=Component(flavor='mlflow', configuration={'experiment_name': 'b'}))\n"
        "go()\n"
        "from zenml.client import Client\n"
        "tracker = Client().get_stack_component('experiment_tracker', 'own')\n"
        "print(tracker.configuration, [kind.value for kind in Client().active_stack_model.components])\n"
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = python(tmp_path, str(tmp_path / "script.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("own: updated") == 2
    assert done.stdout.splitlines()[-1].startswith("{'experiment_name': 'b'} ")
    assert "experiment_tracker" not in done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("zenml_home")
def test_a_stack_that_was_registered_with_other_names_is_told_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zenml.client import Client

    file = "components: {orchestrator: {flavor: local}, artifact_store: {flavor: local, configuration: {path: '${P}'}}}"
    (tmp_path / "own.yaml").write_text(file, "utf-8")
    for where in (module, stacks.apply):
        monkeypatch.setattr(where, "DIRECTORY", tmp_path)
    monkeypatch.setenv("P", str(tmp_path / "one"))
    active = Client().active_stack_model.id
    try:
        list(stacks.apply.apply("own", declaration("own")))
        assert stacks.apply.outdated("own") == []
        monkeypatch.setenv("P", str(tmp_path / "two"))
        assert stacks.apply.outdated("own") == [f"artifact_store.path is {tmp_path / 'one'}, not {tmp_path / 'two'}"]
        monkeypatch.delenv("P")
        assert stacks.apply.outdated("own") == []
    finally:
        Client().activate_stack(active)


OTHERS = """
from zenml.client import Client
from zenml.enums import StackComponentType as Kind
client = Client()
def add(kind, flavor, **configuration):
    return client.create_stack_component("local", flavor, kind, configuration=configuration).id
mine = {
    Kind.ORCHESTRATOR: add(Kind.ORCHESTRATOR, "local"),
    Kind.ARTIFACT_STORE: add(Kind.ARTIFACT_STORE, "local", path=PATH),
    Kind.CONTAINER_REGISTRY: add(Kind.CONTAINER_REGISTRY, "default", uri="localhost:5000"),
}
client.create_stack("local", mine)
"""
SHOWN = """
from zenml.client import Client
for stack in sorted(Client().list_stacks(hydrate=True).items, key=lambda stack: stack.name):
    for kind, (component,) in sorted(stack.components.items()):
        print(stack.name, kind.value, component.name, component.configuration, stack.labels, component.labels)
"""


def test_what_somebody_registered_under_the_name_is_not_changed(tmp_path: Path, laid_out: Path) -> None:
    copy_home(laid_out, tmp_path)
    store = str(tmp_path / "store")
    (tmp_path / "others.py").write_text(OTHERS.replace("PATH", repr(store)), encoding="utf-8")
    made = python(tmp_path, str(tmp_path / "others.py"))
    assert made.returncode == 0, made.stderr
    before = python(tmp_path, "-c", SHOWN).stdout
    assert store in before
    done = apply_local(tmp_path)
    assert done.returncode == 2, done.stdout
    renames = ["zenml artifact-store rename local my-local", "zenml stack rename local my-local"]
    assert [line.strip() for line in done.stderr.splitlines()[1:]] == renames
    assert python(tmp_path, "-c", SHOWN).stdout == before
    for line in renames:
        renamed = python(tmp_path, "-c", "from zenml.cli import cli; cli()", *line.split()[1:])
        assert renamed.returncode == 0, renamed.stderr
    assert apply_local(tmp_path).returncode == 0
    assert active_stack(tmp_path) == LOCAL
    after = [line for line in python(tmp_path, "-c", SHOWN).stdout.splitlines() if line.startswith("my-local ")]
    assert len(after) == 3
    assert store in "".join(after)


def test_a_zenml_repository_remembers_the_stack_too(tmp_path: Path, laid_out: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    home = tmp_path / "zenml"
    copy_home(laid_out, home)
    init = "from zenml.client import Client; Client.initialize()"
    assert python(home, "-c", init, cwd=repository).returncode == 0
    done = python(home, "-m", "stacks.apply", "local", cwd=repository)
    assert done.returncode == 0, done.stderr
    assert active_stack(home, cwd=repository) == LOCAL


@pytest.mark.parametrize("by", ["environment", "login"])
def test_a_dead_remote_server_is_refused_at_once_with_the_way_out(tmp_path: Path, by: str) -> None:
    variables = {"ZENML_STORE_URL": DEAD_SERVER} if by == "environment" else {}
    if by == "login":
        (tmp_path / "config.yaml").write_text(f"store: {{type: rest, url: '{DEAD_SERVER}'}}\n", encoding="utf-8")
    began = time.monotonic()
    done = apply_local(tmp_path, "--check", **variables)
    assert time.monotonic() - began < 15  # importing ZenML; connecting would take minutes
    assert done.returncode == 3
    assert "ZenML is connected to https://127.0.0.1:9, and stack 'local' lives on this machine only" in done.stderr
    assert done.stderr.endswith('export ZENML_CONFIG_PATH="$PWD/.zenml"\n')
    assert ("unset ZENML_STORE_URL; " in done.stderr) == (by == "environment")
    assert "s3cret" not in done.stderr


def test_the_demo_takes_no_other_failure_for_a_remote_server(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("store: {type: nothing}\n", encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "stacks/demo.sh"],
        cwd=ROOT,
        env=environment(tmp_path, PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "remote server" not in done.stdout + done.stderr
    assert "store" in done.stderr


def test_checking_registers_nothing(tmp_path: Path) -> None:
    assert apply_local(tmp_path, "--check").returncode == 0
    assert not list(tmp_path.rglob("*.db"))


def test_a_declaration_is_checked_against_zenmls_flavors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DIRECTORY", tmp_path)
    (tmp_path / "bad.yaml").write_text(
        "name: x\n"
        "components:\n"
        "  orchestrater: {flavor: local}\n"
        "  artifact_store: {flavor: locl}\n"
        "  experiment_tracker: {flavor: mlflow, configuration: {tracking_url: x}, nme: y}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError) as caught:
        declaration("bad")
    assert sorted(dotted(mistake.path) for mistake in caught.value.mistakes) == [
        "components.artifact_store.flavor",
        "components.experiment_tracker.configuration.tracking_url",
        "components.experiment_tracker.nme",
        "components.orchestrater",
        "components.orchestrator",
        "name",
    ]


def test_an_unknown_stack_lists_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"no stack 'locl'; did you mean 'local'\? \(stacks/ has: .*local"):
        declaration("locl")


def test_a_secret_that_a_stack_refers_to_and_zenml_lacks_is_named_with_the_line_that_makes_it(
    tmp_path: Path, laid_out: Path
) -> None:
    copy_home(laid_out, tmp_path)
    variables: dict[str, Any] = {f"GOOGLE_CLOUD_{name}": "europe-west4" for name in ("PROJECT", "REGION")}
    variables |= {"EVERGREEN_BUCKET": "gs://bucket", "EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/p/r"}
    variables |= {"EVERGREEN_PIPELINE_ACCOUNT": "a@b.c", "MLFLOW_TRACKING_URI": "https://mlflow.example"}
    applied = python(tmp_path, "-m", "stacks.apply", "vertex", **variables)
    assert applied.returncode == 2, applied.stderr
    assert "zenml secret create mlflow --password=… --username=…" in applied.stderr
    assert "registered" not in applied.stdout
