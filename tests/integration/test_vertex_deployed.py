from google.cloud import aiplatform_v1 as v1
from google.protobuf.timestamp_pb2 import Timestamp

from evergreen.adapters.vertex.deployed import deployed_on, leading, ready, split_by_id, traffic

TOLD = Timestamp(seconds=1)


def endpoint(split: dict[str, int], **models: tuple[str, int | None]) -> v1.Endpoint:
    """Deployed models by id: version, and available replicas (None: Google has not told yet)."""
    deployed = [
        v1.DeployedModel(
            id=key,
            display_name=version,
            status=None if replicas is None else {"last_update_time": TOLD, "available_replica_count": replicas},
        )
        for key, (version, replicas) in models.items()
    ]
    return v1.Endpoint(deployed_models=deployed, traffic_split=split)


def test_versions_have_the_traffic_of_their_deployed_models() -> None:
    found = deployed_on(endpoint({"d2": 100}, d1=("a", 1), d2=("b", 1), d3=("c", 0)))
    assert traffic(found) == {"a": 0, "b": 100, "c": 0}
    assert set(ready(found)) == {"a", "b"}


def test_a_version_whose_status_is_not_told_yet_counts_as_ready() -> None:
    assert ready(deployed_on(endpoint({}, d1=("a", None)))) == ("a",)


def test_a_version_is_not_ready_while_its_traffic_goes_to_a_dead_one() -> None:
    found = deployed_on(endpoint({"d1": 100}, d1=("a", 0), d2=("a", 1)))
    assert (traffic(found), ready(found)) == ({"a": 100}, ())
    lead = leading(found, "a")
    assert lead is not None
    assert lead.id == "d1"


def test_without_traffic_the_one_that_answers_stands_for_the_version() -> None:
    found = deployed_on(endpoint({"d3": 100}, d1=("a", 0), d2=("a", 1), d3=("b", 1)))
    assert split_by_id(found, {"a": 60, "b": 40}) == {"d2": 60, "d3": 40}
