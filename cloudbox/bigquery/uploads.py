"""Bodies of load jobs: `uploadType=multipart` in one request, `uploadType=resumable` in several."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from cloudbox.bigquery.failures import BigQueryError, invalid
from cloudbox.bigquery.warehouse import Resource


def save_multipart(content_type: str, body: bytes, folder: Path) -> tuple[Resource, Path]:
    """The job and the file of a `multipart/related` body."""
    match = re.search(r'boundary="?([^";]+)"?', content_type)
    parts = body.split(b"--" + match[1].encode())[1:-1] if match else []
    if len(parts) != 2:
        raise invalid(f"Media type '{content_type}' is not supported, or it has not two parts")
    job, media = (part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts)
    path = folder / uuid.uuid4().hex
    path.write_bytes(media)
    return json.loads(job), path


@dataclass
class Uploads:
    """Uploads under way: a job and what of its file has arrived; forgotten when the service stops."""

    folder: Path
    _jobs: dict[str, Resource] = field(default_factory=dict)

    def start(self, job: Resource) -> str:
        """The new upload's name."""
        name = uuid.uuid4().hex
        self._jobs[name] = job
        (self.folder / name).touch()
        return name

    def append(self, name: str, content_range: str, chunk: bytes) -> tuple[Resource, Path] | int:
        """The job and its file once all has arrived, else the bytes that have."""
        if name not in self._jobs:
            raise BigQueryError("notFound", f"Not found: Upload {name}")
        path = self.folder / name
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", content_range)
        if not match:
            raise invalid(f"Content-Range '{content_range}' cannot be read")
        with path.open("r+b") as file:
            if match[1]:
                file.seek(int(match[1]))
                file.write(chunk)
        size = path.stat().st_size
        if match[3] != "*" and size == int(match[3]):
            return self._jobs.pop(name), path
        return size
