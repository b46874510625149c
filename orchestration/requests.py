"""The request that a run's last line sends to the endpoint, kept as a file where it is long."""

from __future__ import annotations

from evergreen.core.deployment import Deployment
from evergreen.pages.curl import request_body
from orchestration.endpoints import state_directory


def keep_request(model_name: str, deployment: Deployment) -> str:
    """The path of a file that holds the endpoint's example as a request; the model's next run replaces it."""
    path = state_directory() / "requests" / f"{model_name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(request_body(deployment.example), encoding="utf-8")
    return str(path)
