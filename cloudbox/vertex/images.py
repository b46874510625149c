"""Which Python environment stands for a container image: `<home>/images.json`.

    {"*": {"python": "/path/venv/bin/python", "env": {"STORAGE_EMULATOR_HOST": "…"}, "code": null},
     "europe-docker.pkg.dev/p/r/serving:1": {"python": "…", "code": "/path/app", "command": ["python", "-m", "server"]}}

`code` is copied to the container's `/app`; `command` stands for the image's ENTRYPOINT, used when a container has none.
The file is read at every start of a container: an image can be added while the box runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import grpc
from pydantic import BaseModel, ConfigDict, ValidationError

from cloudbox.errors import ApiError
from cloudbox.home import Home


class Image(BaseModel):
    """What stands for one image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: Path
    env: dict[str, str] = {}
    code: Path | None = None
    command: list[str] = []


def image_for(home: Home, name: str) -> Image:
    """The image of exactly this name, else `*`. Raises ApiError(FAILED_PRECONDITION) when neither is there."""
    table = json.loads(home.images.read_text(encoding="utf-8")) if home.images.exists() else {}
    entry = table.get(name, table.get("*"))
    if entry is None:
        raise _unusable(name, f"it has neither this image nor '*' (has: {', '.join(table) or 'nothing'})")
    try:
        image = Image.model_validate(entry)
    except ValidationError as error:
        raise _unusable(name, str(error)) from error
    if not image.python.is_file():
        raise _unusable(name, f"its python {image.python} does not exist")
    return image


def _unusable(name: str, why: str) -> ApiError:
    return ApiError(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"Image `{name}` cannot be pulled: {why}; see images.json in the home folder of the box.",
    )
