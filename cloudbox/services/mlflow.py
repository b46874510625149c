"""An MLflow tracking server and registry with its SQLite database and its artifacts below `<home>/mlflow`.

ZenML's experiment tracker wants a login for a remote server. MLflow's own `basic-auth` app needs Flask-WTF, which is
not among the locked packages, so this server listens on loopback and checks no login: any user and password will do.
"""

from __future__ import annotations

import sys

from cloudbox.box import HOST, Box
from cloudbox.services.base import Service, http_answers


class MlflowServer(Service):
    """`mlflow server` with one worker; clients send artifacts through it."""

    name = "mlflow"

    def command(self, box: Box) -> list[str]:
        """The server as a person would start it."""
        state = box.home.state(self.name)
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(box.port(self.name))),
            *("--backend-store-uri", f"sqlite:///{state}/mlflow.db", "--workers", "1"),
            *("--serve-artifacts", "--artifacts-destination", str(state / "artifacts")),
        ]

    def environment(self, box: Box) -> dict[str, str]:  # noqa: ARG002 (the same for every box)
        """No telemetry, and no job runner: nothing here evaluates models inside the server."""
        return {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }

    def answers(self, box: Box) -> bool:
        """Whether the server says that it is healthy."""
        return http_answers(f"{box.url(self.name)}/health")

    def address(self, box: Box) -> str:
        """The URL of its API and of its pages."""
        return box.url(self.name)


def login() -> dict[str, str]:
    """The login that clients demand of a remote server; it opens nothing."""
    return {"MLFLOW_TRACKING_USERNAME": "cloudbox", "MLFLOW_TRACKING_PASSWORD": "any-password-of-the-box"}
