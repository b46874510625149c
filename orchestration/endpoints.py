"""Where this machine keeps what it knows of endpoints, and how one is opened; ZenML is not asked, nor imported."""

from __future__ import annotations

import os
from pathlib import Path

from evergreen.core.lease import LeaseStore
from evergreen.core.members import HostSettings, host_of
from evergreen.core.protocols import Endpoint


def state_directory() -> Path:
    """Where hosts of this machine keep their state: in ZenML's configuration directory, as ZenML finds it."""
    if configured := os.environ.get("ZENML_CONFIG_PATH"):
        return Path(configured).resolve() / "evergreen"
    import click

    return Path(click.get_app_dir("zenml")) / "evergreen"


def open_endpoint(model_name: str, host: HostSettings) -> Endpoint:
    """The live endpoint of a model."""
    return host_of(host).open(model_name, state_directory())


def lease_of(model_name: str, host: HostSettings) -> LeaseStore:
    """Where it is kept who may change the versions and the traffic of a model."""
    return host_of(host).lease(model_name, state_directory())
