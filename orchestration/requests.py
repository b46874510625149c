"""The request that a run's last line sends to the endpoint, kept as a file where it is long."""

from __future__ import annotations

from pathlib import Path

from evergreen.core.deployment import Deployment
from evergreen.pages.curl import request_body
from orchestration.endpoints import state_directory


def keep_request(model_name: str, deployment: Deployment) -> str:
    """The path of a file that holds the endpoint's example as a request, until the model's next run or teardown."""
    path = _path(model_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(request_body(deployment.example), encoding="utf-8")
    return str(path)


def forget_request(model_name: str) -> None:
    """Removes that file, where there is one."""
    _path(model_name).unlink(missing_ok=True)


def _path(model_name: str) -> Path:
    return state_directory() / "requests" / f"{model_name}.json"
