"""Every file in configs/ is one that its pipeline takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from orchestration.configuration import CONFIGS_DIRECTORY, load, pipeline_of
from orchestration.document import PLACEHOLDER, walk
from orchestration.mistakes import ConfigurationError, Mistake, YamlPath
from stacks.declaration import DIRECTORY as STACKS_DIRECTORY
from stacks.declaration import declaration

FILES = sorted(CONFIGS_DIRECTORY.glob("*.yaml"))
FREE = {"columns", "labels", "job_labels", "environment", "mask_classes"}
"""Mappings in which any name is allowed."""
STACKS = sorted(STACKS_DIRECTORY.glob("*.yaml"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that fits for every `${NAME}` in a configuration or stack."""
    special = {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_CLOUD_REGION": "europe-west4"}
    special |= {"EVERGREEN_BUCKET": "gs://my-bucket", "EVERGREEN_NEWS_TABLE": "news.articles"}
    special |= {"EVERGREEN_PETS": "gs://my-bucket/pets"}
    special |= {"EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/my-project/evergreen"}
    for path in [*FILES, *STACKS]:
        for name in PLACEHOLDER.findall(path.read_text(encoding="utf-8")):
            monkeypatch.setenv(name, special.get(name, "value"))


def test_there_are_configurations() -> None:
    assert {path.name for path in FILES} >= {"local.yaml", "ag_news.yaml", "my_data.yaml"}


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_a_configuration_is_valid_and_says_how_to_launch_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith(f"# python run.py --config {path.name}\n")
    configuration = load(path.name, configured(path))
    assert all(declaration(stack).components for stack in configuration.stacks)


@pytest.mark.usefixtures("zenml_home")
def test_another_slice_or_rule_measures_anew_and_trains_nothing(tmp_path: Path) -> None:
    before = step_parameters(tmp_path, {})
    measured = step_parameters(tmp_path, {"slices": {"length_edges_chars": [9]}, "rules": {"max_class_ratio": 2.0}})
    trained = step_parameters(tmp_path, {"epochs": 7})

    assert measured["train"] == before["train"] != trained["train"]
    assert measured["evaluate"] != before["evaluate"]
    assert measured["validate"] != before["validate"]


def step_parameters(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """The parameters of each step, as the pipeline passes them for `local.yaml` with changes to its task."""
    import yaml

    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"]["task"] |= task
    (folder / "changed.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    pipeline = training.with_options(**load(folder / "changed.yaml", training).options())
    pipeline.prepare()
    return {name: invocation.parameters for name, invocation in pipeline.invocations.items()}


def test_no_two_models_share_a_port_or_a_name() -> None:
    import yaml

    training = [path for path in FILES if pipeline_of(path) == "training"]
    parameters = [yaml.safe_load(path.read_text(encoding="utf-8"))["parameters"] for path in training]
    names = [settings["model_name"] for settings in parameters]
    ports = [settings["host"].get("port") for settings in parameters if settings["host"]["kind"] == "local_endpoint"]
    assert len(set(names)) == len(names)
    assert len(set(ports)) == len(ports)


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_misspelt_key_is_told_at_its_place(path: Path, tmp_path: Path) -> None:
    import yaml

    pipeline = configured(path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = {place: node for place, node in walk(document) if place and isinstance(place[-1], str)}
    assert len(keys) > 15
    for places in together({place: node for place, node in keys.items() if not FREE & set(place[:-1])}):
        wrong = reduce(misspelt, places, document)
        (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path / "wrong.yaml", pipeline)
        for place in places:
            assert any(tells(mistake, place) for mistake in caught.value.mistakes), (place, caught.value)


def together(keys: Mapping[YamlPath, Any]) -> Iterator[list[YamlPath]]:
    """The keys, of each mapping one at a time; alone stands what has others below it, or says how they are read."""
    rounds: defaultdict[int, list[YamlPath]] = defaultdict(list)
    seen: Counter[YamlPath] = Counter()
    for place, node in keys.items():
        if place[-1] == "kind" or isinstance(node, dict | list):
            yield [place]
        else:
            rounds[seen[place[:-1]]].append(place)
            seen[place[:-1]] += 1
    yield from rounds.values()


def configured(path: Path) -> Any:
    """The pipeline that a configuration is of."""
    from pipelines.batch_prediction import batch_prediction
    from pipelines.monitoring import monitoring
    from pipelines.training import training

    return {"training": training, "batch_prediction": batch_prediction, "monitoring": monitoring}[pipeline_of(path)]


def tells(mistake: Mistake, place: YamlPath) -> bool:
    """Whether the mistake is that of the misspelt key: at its place, as a missing `kind`, or named by its holder."""
    wrong = f"{place[-1]}x"
    if mistake.path == place:
        return place[-1] == "kind" and mistake.message == "missing"
    return mistake.path == (*place[:-1], wrong) or (mistake.path == place[:-1] and f"'{wrong}'" in mistake.message)


def misspelt(node: Any, place: YamlPath) -> Any:
    """The document with an x after the key at `place`."""
    if len(place) == 1:
        return {f"{key}x" if key == place[0] else key: value for key, value in node.items()}
    if isinstance(node, list):
        return [misspelt(value, place[1:]) if number == place[0] else value for number, value in enumerate(node)]
    return {key: misspelt(value, place[1:]) if key == place[0] else value for key, value in node.items()}


@pytest.mark.parametrize("key", [None, "projects/my-project/locations/europe-west4/keyRings/a/cryptoKeys/b"])
def test_runs_and_custom_jobs_take_a_key_of_one_s_own_where_there_is_one(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("EVERGREEN_KMS_KEY", "EVERGREEN_NETWORK_ATTACHMENT")
    for name in names:
        monkeypatch.setenv(name, key) if key else monkeypatch.delenv(name, raising=False)
    components = declaration("vertex").components
    for kind in ("orchestrator", "step_operator"):
        assert components[kind].configuration.get("encryption_spec_key_name") == key
        assert None not in components[kind].configuration.values()
    assert components["orchestrator"].configuration.get("private_service_connect") == key


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("name", ["prod.yaml", "staging.yaml", "pets_prod.yaml"])
def test_an_endpoint_takes_a_key_of_one_s_own_where_there_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.training import training

    monkeypatch.setenv("EVERGREEN_KMS_KEY", "projects/p/locations/l/keyRings/a/cryptoKeys/b")
    assert load(name, training).parameters.host.encryption_key == "projects/p/locations/l/keyRings/a/cryptoKeys/b"
    monkeypatch.delenv("EVERGREEN_KMS_KEY")
    assert load(name, training).parameters.host.encryption_key is None
