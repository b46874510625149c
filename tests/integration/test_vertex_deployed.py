from google.cloud import aiplatform_v1 as v1
from google.protobuf.timestamp_pb2 import Timestamp

from evergreen.adapters.vertex.resource import (
    deployed_on,
    primary_of,
    ready_in,
    replicas_of,
    successor,
    traffic_of,
)

TOLD = Timestamp(seconds=1)


def endpoint(split: dict[str, int], **models: tuple[str, int | None]) -> v1.Endpoint:
    """Deployed models by id: version, and available replicas (None: Google has not told yet)."""
    deployed = [
        v1.DeployedModel(
            id=key,
            display_name=version,
            model="projects/1/locations/l/models/news",
            model_version_id=key.partition("_")[2] or "1",
            status=None if replicas is None else {"last_update_time": TOLD, "available_replica_count": replicas},
        )
        for key, (version, replicas) in models.items()
    ]
    return v1.Endpoint(deployed_models=deployed, traffic_split=split)


def test_versions_have_the_traffic_of_their_deployed_models() -> None:
    running = deployed_on(endpoint({"d2": 100}, d1=("a", 1), d2=("b", 1), d3=("c", 0)))
    assert traffic_of(running) == {"a": 0, "b": 100, "c": 0}
    assert set(ready_in(running)) == {"a", "b"}


def test_a_version_whose_status_is_not_told_yet_counts_as_ready() -> None:
    assert ready_in(deployed_on(endpoint({}, d1=("a", None)))) == ("a",)


def test_replicas_are_those_of_the_one_that_stands_for_the_version_where_they_are_told() -> None:
    running = deployed_on(endpoint({"d1": 100}, d1=("a", 4), d2=("a", 1), d3=("b", None), d4=("c", 0)))
    assert replicas_of(running) == {"a": 4, "c": 0}


def test_without_a_most_a_deployed_model_has_its_least() -> None:
    resources = {"min_replica_count": 2}
    (deployed,) = deployed_on(v1.Endpoint(deployed_models=[v1.DeployedModel(id="d1", dedicated_resources=resources)]))
    assert (deployed.least, deployed.most) == (2, 2)


def test_a_version_is_not_ready_while_its_traffic_goes_to_a_dead_one() -> None:
    running = deployed_on(endpoint({"d1": 100}, d1=("a", 0), d2=("a", 1)))
    assert (traffic_of(running), ready_in(running)) == ({"a": 100}, ())
    primary = primary_of(running, "a")
    assert primary is not None
    assert primary.id == "d1"


def test_without_traffic_the_one_that_answers_stands_for_the_version() -> None:
    running = deployed_on(endpoint({"d3": 100}, d1=("a", 0), d2=("a", 1), d3=("b", 1)))
    primary = primary_of(running, "a")
    assert primary is not None
    assert primary.id == "d2"


def test_a_successor_is_of_the_wanted_number_and_stands_by_while_an_older_one_has_the_traffic() -> None:
    running = deployed_on(endpoint({"d_1": 100}, d_1=("a", 1), d_2=("a", 1), e_3=("a", 0)))
    newer = successor(running, "a", "news@2")
    assert newer is not None
    assert newer.id == "d_2"
    assert [successor(running, "a", number) for number in ("news@1", "news@3", None)] == [None, None, None]
    assert successor(deployed_on(endpoint({}, d_1=("a", 1), d_2=("a", 1))), "a", "news@2") is None
