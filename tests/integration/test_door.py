"""What commands import: the real ones, in processes of their own, where an earlier commit left a model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from tests.homes import unpack
from tests.keyword_model import COMMAND, write_keyword_model
from tests.own_zenml import python

MODEL, CHAMPION = "my-news", "00c62b841905"
HEAVY = ("torch", "transformers", "sklearn", "mlflow", "pandas", "google.cloud.", "google.api_core", "google.auth")
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two versions in its record, and a live endpoint of its model that counts words."""
    home = unpack("207a66e.tar.xz", tmp_path_factory.mktemp("left") / "home")
    state = home / "zenml" / "evergreen"
    shutil.rmtree(state / MODEL)
    host = LocalHostSettings(port=0, startup_timeout_s=30, drain_timeout_s=5)
    endpoint = LocalHost(host, COMMAND).open(MODEL, state)
    trained = write_keyword_model(home / "words")
    try:
        endpoint.upload(trained.version, trained.path)
        endpoint.deploy(trained.version)
        endpoint.set_traffic({trained.version: 100})
        yield home
    finally:
        endpoint.delete()


def command(home: Path, *arguments: str) -> tuple[str, set[str]]:
    """What `run.py …` with the folder's configuration prints, and the modules that it imported to the end."""
    given = [arguments[0], "--config", str(home / "news.yaml"), *arguments[1:]]
    done = python(home / "zenml", "-X", "importtime", "run.py", *given)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, set(IMPORTED.findall(done.stderr))


def among(modules: set[str], *names: str) -> list[str]:
    """Which of the modules are of these packages; the bare `google.cloud` is there without any import."""
    return sorted(module for module in modules for name in names if f"{module}.".startswith(f"{name.rstrip('.')}."))


def test_a_prediction_needs_neither_zenml_nor_what_trains(left: Path) -> None:
    shown, modules = command(left, "predict", "a late goal in the match")
    assert json.loads(shown)["label"] == "sport"
    assert "evergreen.adapters.local_endpoint.endpoint" in modules
    assert among(modules - {"google.cloud"}, "zenml", "sqlalchemy", "pyarrow", "duckdb", *HEAVY) == []


def test_the_status_of_a_local_stack_needs_zenml_alone(left: Path) -> None:
    shown, modules = command(left, "status", "--json")
    status = json.loads(shown)
    assert status["endpoint"]["traffic"]
    assert status["champion"]["metrics"]
    assert [run["outcome"] for run in status["runs"]] == ["live", "live"]
    (database,) = (left / "zenml").glob("local_stores/*/mlflow.db")
    assert status["mlflow"] == f"sqlite:///{database}"
    assert "zenml.zen_stores.sql_zen_store" in modules
    assert among(modules - {"google.cloud"}, *HEAVY) == []


def test_what_an_earlier_commit_trained_leads_back_to_its_rows_and_its_code_by_zenml_alone(left: Path) -> None:
    shown, modules = command(left, "lineage", "champion", "--json")
    assert among(modules - {"google.cloud"}, *HEAVY) == []
    lineage = json.loads(shown)
    assert lineage["version"]["version"] == CHAMPION
    assert (lineage["run"]["status"], lineage["run"]["stack"]) == ("completed", "local")
    assert lineage["rows"]["source"]["description"].endswith("news.csv (1 csv file, 0.0 MB)")
    assert lineage["rows"]["splits"].keys() == {"train", "validation", "test"}
    assert lineage["decision"]["champion"] == "56eecea4b145"
    assert lineage["deployment"]["outcome"] == "live"
    assert lineage["code"]["task"]["encoder"].endswith("encoder")
    assert {place["name"]: place["stored"] for place in lineage["artifacts"]} == dict.fromkeys(
        ("model", "report", "dataset", "splits"), True
    )
    assert (lineage["coverage"], lineage["parents"], lineage["run"]["commit"], lineage["missing"]) == (
        None,
        [],
        None,
        [],
    )


def test_versions_of_an_earlier_commit_are_said_to_cover_nothing_that_is_known(left: Path) -> None:
    for asked in (["status"], ["lineage", CHAMPION]):
        shown, _ = command(left, *asked)
        assert shown.count("covers      nothing that is known") == shown.count("covers") == 1


TRACKED = """
import sys
from zenml import pipeline, step
from zenml.client import Client
from orchestration.integrations import activated_by_need
from orchestration.mirrors import tracking_address, tracking_uri

@step(experiment_tracker=True, enable_cache=False)
def tracked() -> int:
    import mlflow
    assert mlflow.active_run() is not None
    return 1

@pipeline
def one_step() -> None:
    tracked()

with activated_by_need():
    run = one_step()
print(run.status, [name for name in NAMES if name in sys.modules])
print(tracking_address() == tracking_uri())
"""


def test_a_run_opens_the_integrations_of_its_stack_alone(left: Path, tmp_path: Path) -> None:
    script = tmp_path / "tracked.py"
    script.write_text(f"NAMES = {['mlflow', 'torch', 'sklearn', 'google.api_core']}\n{TRACKED}", encoding="utf-8")
    done = python(left / "zenml", str(script))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-2:] == ["completed ['mlflow']", "True"]


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("configured", ["", "somewhere/../else"])
def test_the_state_is_where_zenml_keeps_its_configuration(configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.config.global_config import GlobalConfiguration

    from orchestration.endpoints import state_directory

    monkeypatch.setenv("ZENML_CONFIG_PATH", configured)
    assert state_directory() == Path(GlobalConfiguration().config_directory) / "evergreen"


@pytest.mark.usefixtures("zenml_home")
def test_who_asks_an_endpoint_reads_parameters_by_the_types_of_the_pipeline() -> None:
    from typing import get_type_hints

    from commands.predict import needed
    from pipelines.training import training

    of_a_table = needed(table=True)
    assert set(of_a_table) == {"model_name", "host", "task", "source"}
    hints = get_type_hints(training.entrypoint, include_extras=True)
    assert of_a_table == {name: hints[name] for name in of_a_table}


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize(
    "parameters",
    [
        {"task": {"kind": "text_clasification"}},
        {"task": {"kind": "text_classification", "labels": ["a", "b"], "encoder": "${NOT_SET}"}},
        {"task": {"kind": "text_classification", "labels": ["a"], "encoder": "org/model", "epoch": 3}},
        {"host": {"kind": "local_endpoint", "port": "8501x"}},
        {"host": {"kind": "local_endpoint", "prt": 8501}},
        {"source": {"kind": "files", "path": "n.csv", "delimitr": ";"}},
        {"source": {"kind": "files", "path": "${MY_TOKEN}"}},
        {"model_name": "My News"},
    ],
)
def test_mistakes_in_what_it_reads_are_those_that_a_run_names(
    parameters: dict[str, Any], left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.predict import needed
    from orchestration.configuration import load
    from orchestration.mistakes import ConfigurationError
    from orchestration.served import load_served
    from pipelines.training import training

    monkeypatch.setenv("MY_TOKEN", "n.csv")
    document = yaml.safe_load((left / "news.yaml").read_text(encoding="utf-8"))
    document["parameters"] |= parameters
    path = tmp_path / "news.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigurationError) as of_a_run:
        load(path, training)
    with pytest.raises(ConfigurationError) as of_a_prediction:
        load_served(path, needed(table=True))
    assert of_a_prediction.value.mistakes == of_a_run.value.mistakes
