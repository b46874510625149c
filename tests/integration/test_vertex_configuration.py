import re

import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.kinds import AnyHost
from evergreen.adapters.vertex.names import label, label_filter, labels, model_id, version_alias, version_of
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.adapters.vertex.specification import deployed_model_message, endpoint_message, version_message
from evergreen.core.errors import InputError

NEEDED = {
    "kind": "vertex_endpoint",
    "project": "my-project",
    "region": "europe-west4",
    "staging": "gs://my-bucket/models",
    "image": "europe-west4-docker.pkg.dev/my-project/evergreen/serving:1.0",
}
ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")  # as the Model Registry asks for


def host(**changes: object) -> VertexHostSettings:
    return VertexHostSettings.model_validate(NEEDED | changes)


def test_a_configuration_is_told_by_its_kind() -> None:
    assert TypeAdapter(AnyHost).validate_python(NEEDED) == host()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"staging": "s3://bucket/models"}, "staging"),
        ({"region": "Europe"}, "region"),
        ({"min_replicas": 3, "max_replicas": 2}, "max_replicas 2 is less than min_replicas 3"),
        ({"accelerator_type": "NVIDIA_L4"}, "accelerator_count go together"),
        ({"labels": {"Team": "News"}}, "labels"),
        ({"startup_timeout_s": 9000}, "startup_timeout_s"),
        ({"request_logging": {"table": "logs"}}, "request_logging.table"),
        ({"private_service_connect": {"network": "n", "project_allowlist": ["p"]}}, "private_service_connect.network"),
        (
            {"private_service_connect": {"network": "projects/p/global/networks/n", "project_allowlist": ["p"]}},
            "set dedicated: false",
        ),
    ],
)
def test_what_vertex_ai_would_refuse_is_refused_before_the_run(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        host(**changes)


def test_names_follow_googles_rules() -> None:
    assert label("Run of Tuesday, 9:30 " + "x" * 80) == "run_of_tuesday__9_30_" + "x" * 42
    assert ALIAS.fullmatch(version_alias("0dff9f7932af"))
    assert version_of(["default", version_alias("0dff9f7932af"), "champion"]) == "0dff9f7932af"
    assert version_of(["default", "champion"]) is None
    with pytest.raises(InputError, match="Latest"):
        version_alias("Latest")


def test_models_of_different_environments_never_share_an_id() -> None:
    long = "m" * 63
    ids = [
        model_id(host(environment=environment), model)
        for environment, model in [("a", "b-c"), ("a-b", "c"), ("e" * 63, long), ("e" * 62 + "f", long)]
    ]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,62}", identifier) for identifier in ids)


def test_own_labels_win_over_configured_ones() -> None:
    given = labels(host(labels={"team": "news", "evergreen_model": "other"}), "news")
    assert given == {"team": "news", "evergreen_model": "news", "evergreen_environment": "production"}
    assert label_filter({"a": "b", "c": "d"}) == 'labels.a="b" AND labels.c="d"'


def test_an_endpoint_carries_what_must_be_set_at_its_creation() -> None:
    logging = {"table": "my-project.logs.requests", "sampling_rate": 0.1}
    message = endpoint_message(host(request_logging=logging, encryption_key="keys/1"), "news", "live", logged=True)
    config = message.predict_request_response_logging_config
    assert message.dedicated_endpoint_enabled
    assert (config.enabled, config.bigquery_destination.output_uri) == (True, "bq://my-project.logs.requests")
    assert config.sampling_rate == pytest.approx(0.1)
    assert message.encryption_spec.kms_key_name == "keys/1"
    assert message.labels["evergreen_role"] == "live"
    probe = endpoint_message(host(request_logging=logging), "news", "probe", logged=False)
    assert not probe.predict_request_response_logging_config.enabled


def test_a_private_endpoint_is_not_public() -> None:
    network = "projects/net/global/networks/main"
    private = {"network": network, "project_allowlist": ["net"]}
    message = endpoint_message(host(dedicated=False, private_service_connect=private), "news", "live", logged=True)
    config = message.private_service_connect_config
    assert not message.dedicated_endpoint_enabled
    assert (config.enable_private_service_connect, list(config.project_allowlist)) == (True, ["net"])
    assert (config.psc_automation_configs[0].project_id, config.psc_automation_configs[0].network) == ("net", network)


def test_a_version_is_probed_as_long_as_its_start_may_take() -> None:
    spec = version_message(host(startup_timeout_s=900), "news", "0dff9f7932af", "gs://b/news").container_spec
    assert spec.startup_probe.period_seconds * spec.startup_probe.failure_threshold == 900
    assert spec.deployment_timeout.total_seconds() == 900
    assert (spec.health_route, spec.predict_route) == ("/health", "/predict")


def test_a_deployment_scales_by_the_accelerator_where_there_is_one() -> None:
    gpu = host(accelerator_type="NVIDIA_L4", accelerator_count=1, service_account="sa@p", autoscaling_target=70)
    message = deployed_model_message(gpu, "models/1@2", "0dff9f7932af", (1, 3), "123456789")
    resources = message.dedicated_resources
    assert resources.machine_spec.accelerator_type.name == "NVIDIA_L4"
    (metric,) = resources.autoscaling_metric_specs
    assert metric.metric_name.endswith("accelerator/duty_cycle")
    assert (metric.target, resources.max_replica_count, message.service_account) == (70, 3, "sa@p")
