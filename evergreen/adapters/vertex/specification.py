"""The configuration as Vertex AI's own messages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.adapters.vertex.names import ROLE, VERSION, container_alias, environment, labels
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.engines import TORCH, read_engines
from evergreen.runtime.asides import beside_the_point

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import DeployedModel, Endpoint, Model, PredictRequestResponseLoggingConfig

PORT = 8080
HEALTH_ROUTE = "/health"
PREDICT_ROUTE = "/predict"
PROBE_PERIOD_S = 10
PROBE_TIMEOUT_S = 5
ACCELERATOR_METRIC = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle"
CPU_METRIC = "aiplatform.googleapis.com/prediction/online/cpu/utilization"


def endpoint_message(host: VertexHostSettings, model: str, role: str, logged: bool) -> Endpoint:
    """The endpoint to create; what cannot be changed later (encryption, network) is set now."""
    from google.cloud import aiplatform_v1 as v1

    timeout = {"inference_timeout": _seconds(host.request_timeout_s)}
    dedicated = host.dedicated or host.private_service_connect is not None
    return v1.Endpoint(
        display_name=f"{model} ({host.environment}, {role})",
        labels=labels(host, model, **{ROLE: role}),
        dedicated_endpoint_enabled=host.dedicated,
        client_connection_config=timeout if dedicated else None,
        encryption_spec={"kms_key_name": host.encryption_key} if host.encryption_key else None,
        predict_request_response_logging_config=logging_message(host) if logged else None,
        private_service_connect_config=_private_service_connect(host),
    )


def image_for(host: VertexHostSettings, model_dir: Path, version: str) -> str:
    """The image that a version needs: the one without torch where a graph is to answer for it, and no GPU is there."""
    if host.onnx_image is None or host.accelerator_type is not None:
        return host.image
    with beside_the_point(f"the engines of version {version}: torch serves it"):
        served = read_engines(model_dir, version)
        if served is not None and served.choice.serves != TORCH:
            return host.onnx_image
    return host.image


def version_message(
    host: VertexHostSettings, model: str, version: str, artifact_uri: str, image: str | None = None
) -> Model:
    """The model version to upload: image (None: the host's first), files, routes and probes."""
    from google.cloud import aiplatform_v1 as v1

    return v1.Model(
        display_name=model,
        version_description=f"content hash {version}",
        version_aliases=[container_alias(host, model, version)],
        labels=labels(host, model, **{VERSION: version}),
        artifact_uri=artifact_uri,
        encryption_spec={"kms_key_name": host.encryption_key} if host.encryption_key else None,
        container_spec={
            "image_uri": image or host.image,
            "command": list(host.command),
            "env": [{"name": name, "value": value} for name, value in environment(host, model).items()],
            "ports": [{"container_port": PORT}],
            "health_route": HEALTH_ROUTE,
            "predict_route": PREDICT_ROUTE,
            "deployment_timeout": _seconds(host.startup_timeout_s),
            "startup_probe": _probe(math.ceil(host.startup_timeout_s / PROBE_PERIOD_S)),
            "health_probe": _probe(3),
        },
    )


def deployed_model_message(
    host: VertexHostSettings, resource: str, version: str, replicas: tuple[int, int], deployed_id: str
) -> DeployedModel:
    """The deployment of the model version `resource` on its own machines; `replicas` are least and most."""
    from google.cloud import aiplatform_v1 as v1

    machine: dict[str, object] = {"machine_type": host.machine_type}
    if host.accelerator_type:
        machine |= {"accelerator_type": host.accelerator_type, "accelerator_count": host.accelerator_count}
    metric = ACCELERATOR_METRIC if host.accelerator_type else CPU_METRIC
    return v1.DeployedModel(
        id=deployed_id,
        model=resource,
        display_name=version,
        service_account=host.service_account or "",
        dedicated_resources={
            "machine_spec": machine,
            "min_replica_count": replicas[0],
            "max_replica_count": replicas[1],
            "autoscaling_metric_specs": [{"metric_name": metric, "target": host.autoscaling_target}],
        },
    )


def logging_message(host: VertexHostSettings) -> PredictRequestResponseLoggingConfig:
    """What Vertex AI itself is to log of requests; not enabled where the configuration has none."""
    from google.cloud import aiplatform_v1 as v1

    logging = host.request_logging
    if logging is None:
        return v1.PredictRequestResponseLoggingConfig()
    destination = {"output_uri": "bq://" + logging.table}
    return v1.PredictRequestResponseLoggingConfig(
        enabled=True, sampling_rate=logging.sampling_rate, bigquery_destination=destination
    )


def _private_service_connect(host: VertexHostSettings) -> dict[str, object] | None:
    private = host.private_service_connect
    if private is None:
        return None
    automation = {"project_id": private.network.split("/")[1], "network": private.network}
    return {
        "enable_private_service_connect": True,
        "project_allowlist": list(private.project_allowlist),
        "psc_automation_configs": [automation],
    }


def _probe(failures: int) -> dict[str, object]:
    return {
        "http_get": {"path": HEALTH_ROUTE, "port": PORT},
        "period_seconds": PROBE_PERIOD_S,
        "timeout_seconds": PROBE_TIMEOUT_S,
        "failure_threshold": failures,
    }


def _seconds(value: float) -> Any:
    from google.protobuf.duration_pb2 import Duration

    return Duration(seconds=math.ceil(value))
