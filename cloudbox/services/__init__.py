"""The processes that a box consists of, one plain table of them; a part of the box is left out by `up --services`."""

from __future__ import annotations

from cloudbox.services.base import Service
from cloudbox.services.gcs import Gcs
from cloudbox.services.google import Gateway, GoogleService, Vertex
from cloudbox.services.hub import Hub
from cloudbox.services.mlflow import MlflowServer
from cloudbox.services.zenml import ZenmlServer

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Gcs(),
        Gateway(),
        Vertex(),
        GoogleService("bigquery"),
        Hub(),
        MlflowServer(),
        ZenmlServer(),
    )
}

__all__ = ["SERVICES", "Service"]
