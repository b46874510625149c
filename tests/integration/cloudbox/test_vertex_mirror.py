"""Vertex AI's Model Registry follows the record, with Google's own clients."""

from pathlib import Path

import pytest

from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.mirror import VertexMirror
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix
from evergreen.core.versions import Alias, MirrorState, ModelVersion, RecordState, Register, reconcile
from tests.hosted_trial import host_in
from tests.keyword_model import write_keyword_model

MODEL = "news"


@pytest.fixture
def mirror(box: Box) -> VertexMirror:
    return VertexMirror(host_in(box))


@pytest.fixture
def models(tmp_path: Path) -> list[TrainedModel]:
    return [write_keyword_model(tmp_path / name, name=name) for name in ("a", "b")]


def report(model: TrainedModel) -> EvaluationReport:
    undefined = Metric(value=float("nan"), low=float("nan"), high=float("nan"))
    return EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version=model.version,
        splits="0" * 64,
        rows=4,
        labels=("business", "sport"),
        metrics={"accuracy": Metric(value=0.75, low=0.5, high=1.0), "macro_precision": undefined},
        confidence=0.95,
        baseline=Baseline(label="business", metrics={"accuracy": 0.5}),
        slices=(),
        sections=(ConfusionMatrix(labels=("business", "sport"), counts=((2, 0), (1, 1))),),
        comparison=None,
        size_bytes=model.size_bytes,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=2, rows_per_s=3),
    )


def version(model: TrainedModel) -> ModelVersion:
    return ModelVersion(
        version=model.version,
        artifact="a",
        report="r",
        recipe="recipe-1",
        run="Training 7",
        judged_against=None,
        metrics={"accuracy": 0.75},
        examples=({"text": "shares rose"},),
    )


def follow(record: RecordState, mirror: VertexMirror, models: list[TrainedModel]) -> int:
    actions = reconcile(record, mirror.read(MODEL))
    by_version = {model.version: model for model in models}
    for action in actions:
        if isinstance(action, Register):
            model = by_version[action.version]
            mirror.register(MODEL, version(model), model, report(model))
        else:
            mirror.set_alias(MODEL, action.alias, action.version)
    return len(actions)


def test_the_mirror_follows_the_record_and_repeating_changes_nothing(
    mirror: VertexMirror, models: list[TrainedModel]
) -> None:
    assert mirror.read(MODEL) == MirrorState()
    mirror.set_alias(MODEL, Alias.CHAMPION, None)
    old, new = (version(model) for model in models)
    record = RecordState(versions=(old, new), aliases={Alias.CHAMPION: old.version, Alias.CANDIDATE: new.version})
    assert follow(record, mirror, models) == 4
    assert mirror.read(MODEL) == MirrorState(versions={old.version: "1", new.version: "2"}, aliases=record.aliases)
    assert follow(record, mirror, models) == 0
    crowned = RecordState(versions=(old, new), aliases={Alias.CHAMPION: new.version, Alias.PREVIOUS: old.version})
    assert follow(crowned, mirror, models) == 3
    assert mirror.read(MODEL).aliases == crowned.aliases


def test_a_version_that_the_host_uploaded_is_registered_with_its_evaluation_and_not_uploaded_again(
    mirror: VertexMirror, models: list[TrainedModel]
) -> None:
    model = models[0]
    VertexEndpoint(mirror.host, MODEL).upload(model.version, model.path)
    assert mirror.read(MODEL) == MirrorState()
    numbers = [mirror.register(MODEL, version(model), model, report(model)) for _ in range(2)]
    assert numbers == ["1", "1"]
    assert mirror.read(MODEL).versions == {model.version: "1"}
    clients = Clients(mirror.host)
    (held,) = ModelRegistry(clients, MODEL).versions()
    (evaluation,) = clients.models.list_model_evaluations(parent=resource_of(held))
    matrix = evaluation.metrics["confusionMatrix"]
    assert [list(row) for row in matrix["rows"]] == [[2, 0], [1, 1]]
    assert dict(evaluation.metadata["metrics"]["accuracy"]) == {"value": 0.75, "low": 0.5, "high": 1.0}
    assert (held.labels["evergreen_run"], held.labels["evergreen_version"]) == ("training_7", model.version)
    VertexEndpoint(mirror.host, MODEL).delete()


def test_an_alias_of_a_version_that_vertex_lacks_is_an_error(mirror: VertexMirror, models: list[TrainedModel]) -> None:
    mirror.register(MODEL, version(models[0]), models[0], report(models[0]))
    with pytest.raises(EvergreenError, match=f"no version 123 of news \\(has: {models[0].version}\\)"):
        mirror.set_alias(MODEL, Alias.CHAMPION, "123")


def test_what_vertex_takes_for_the_model_moves_with_the_champion(
    mirror: VertexMirror, models: list[TrainedModel]
) -> None:
    old, new = (version(model) for model in models)
    record = RecordState(versions=(old, new), aliases={Alias.CHAMPION: new.version, Alias.PREVIOUS: old.version})
    for model in models:
        mirror.register(MODEL, version(model), model, report(model))
    registry = ModelRegistry(Clients(mirror.host), MODEL)
    held = registry.named("v-" + new.version)
    assert held is not None
    registry.move_aliases(resource_of(held), ["champion"])  # as it was left before `default` moved along
    assert follow(record, mirror, models) == 2
    assert follow(record, mirror, models) == 0
    assert [
        list(registered.version_aliases)
        for registered in registry.versions()
        if "default" in registered.version_aliases
    ] == [sorted({"champion", "default", "v-" + new.version, *(a for a in held.version_aliases if a.startswith("c-"))})]
