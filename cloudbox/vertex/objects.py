"""Objects of the box's own Cloud Storage, as Vertex AI reads and writes them for a job."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from urllib.parse import quote

import httpx

from cloudbox.box import Box
from cloudbox.errors import failed_precondition, invalid

TRANSFER_S = 120.0


class Objects:
    """Whole objects, by their gs:// address."""

    def __init__(self, box: Box) -> None:
        self._http = httpx.Client(base_url=box.url("gcs"), trust_env=False, timeout=TRANSFER_S)

    def read(self, pattern: str) -> Iterator[bytes]:
        """The objects whose names fit; one `*` stands for anything. Raises ApiError: there is none."""
        bucket, name = _parts(pattern)
        listed = self._http.get(f"/storage/v1/b/{bucket}/o", params={"prefix": name.partition("*")[0]})
        names = [item["name"] for item in listed.json().get("items", [])] if listed.is_success else []
        matching = [found for found in names if fnmatch.fnmatchcase(found, name)]
        if not matching:
            raise failed_precondition(f"No object at `{pattern}`.")
        for found in matching:
            answer = self._http.get(f"/storage/v1/b/{bucket}/o/{quote(found, safe='')}", params={"alt": "media"})
            yield answer.raise_for_status().content

    def write(self, address: str, content: bytes) -> None:
        """Writes the object."""
        bucket, name = _parts(address)
        query = {"uploadType": "media", "name": name}
        self._http.post(f"/upload/storage/v1/b/{bucket}/o", params=query, content=content).raise_for_status()


def _parts(address: str) -> tuple[str, str]:
    bucket, _, name = address.removeprefix("gs://").partition("/")
    if not address.startswith("gs://") or not bucket or not name:
        raise invalid(f"`{address}` is no Cloud Storage address (gs://BUCKET/…).")
    return bucket, name
