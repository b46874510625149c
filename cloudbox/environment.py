"""The environment variables that lead unmodified clients into the box instead of to Google and the Hub."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from cloudbox.box import HOST, Box, BoxError
from cloudbox.services import hub, mlflow, zenml

KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "VIRTUAL_ENV")


def network(box: Box) -> dict[str, str]:
    """What stands in for Google's network and metadata server: whatever runs in the box's cloud is given this too.

    gRPC's core reads `grpc_proxy` alone, so its calls and the HTTPS calls reach a service on different ports.
    Plain HTTP is sent to the proxy as well, where it is refused and seen.
    """
    return {
        "grpc_proxy": box.url("gateway", "grpc_proxy"),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(box.home.ca),
        "https_proxy": box.url("gateway", "https_proxy"),
        "http_proxy": box.url("gateway", "https_proxy"),
        "no_proxy": f"{HOST},localhost",
        "REQUESTS_CA_BUNDLE": str(box.home.ca),
        "GOOGLE_APPLICATION_CREDENTIALS": str(box.home.credentials),
        "GOOGLE_CLOUD_PROJECT": box.project,
        "STORAGE_EMULATOR_HOST": box.url("gcs"),
        **hub.network(box),
    }


def client(box: Box) -> dict[str, str]:
    """All that a person's shell needs: the network, and the ZenML and MLflow servers and the Hub with their secrets.

    Raises:
        BoxError: the ZenML server never answered yet, so there is no key.
    """
    key = zenml.key_file(box)
    if not key.is_file():
        raise BoxError(f"no ZenML API key in {key}; run: python -m cloudbox --home {box.home.path} up")
    return {
        **network(box),
        "ZENML_STORE_URL": box.url("zenml"),
        "ZENML_STORE_API_KEY": key.read_text().strip(),
        # Each command would write the key into ZENML_CONFIG_PATH, where another one that reads it meanwhile finds none.
        "DISABLE_CREDENTIALS_DISK_CACHING": "true",
        "MLFLOW_TRACKING_URI": box.url("mlflow"),
        **mlflow.login(),
        **hub.login(box),
    }


def exports(box: Box) -> str:
    """Lines that a shell evaluates: `eval "$(python -m cloudbox env)"`."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in client(box).items())


def service_environment(box: Box, service: str) -> dict[str, str]:
    """What a service process is given: nothing of the person's own settings, no folder to write to but the box's."""
    state = box.home.state(service)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {
        # `chroot`, which containers need, is not on every ordinary user's path.
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
        "HOME": str(state),
        "TMPDIR": str(state / "tmp"),
        "XDG_CACHE_HOME": str(state / "cache"),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **network(box), **own}


def ensure_images(box: Box, images: dict[str, dict[str, Any]]) -> bool:
    """Whether `images.json` changed: those given are added, and every image gets the box's network.

    An image is `{"python": "/path/venv/bin/python", "code": "/path/app or null", "command": ["python", "-m", "app"]}`.
    What is left out is as in `*`, which stands for all that are not named: by default this very process's Python.
    """
    file = box.home.images
    known = json.loads(file.read_text()) if file.is_file() else {}
    for name, image in {"*": {"python": sys.executable, "code": None}, **known, **images}.items():
        old = known.get(name, known.get("*", {}))
        known[name] = {**old, **image, "env": {**old.get("env", {}), **network(box)}}
    return box.home.write(file, json.dumps(known, indent=2) + "\n")
