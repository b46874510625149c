"""Downloads, and uploads of large files: the Git LFS batch interface without its multi-part form.

As with the Hub, a large file is redirected to another host, which knows no tokens: the address itself is signed.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from cloudbox.hub.access import Call
from cloudbox.hub.failures import HubError, no_entry
from cloudbox.hub.objects import Objects

Json = dict[str, Any]


class Files:
    """Contents by address."""

    def __init__(self, objects: Objects, storage: str) -> None:
        self._objects = objects
        self._storage = storage

    def batch(self, call: Call) -> Json:
        """Where to upload each object; an object that is here already has no such place."""
        call.check_may_write()
        return {"transfer": "basic", "objects": [self._announced(call, upload) for upload in call.body["objects"]]}

    def verify(self, call: Call) -> Json:
        """Nothing, when the object arrived whole."""
        call.check_may_write()
        if not self._objects.has(call.body["oid"], call.body["size"]):
            raise HubError(404, f"LFS object {call.body['oid']} of {call.body['size']} bytes is not here")
        return {}

    def resolve(self, call: Call) -> Response:
        """A file at a revision, or where it is."""
        commit, path = call.commit, call.path["path"]
        file = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.id}
        if file is None:
            error = no_entry(path)
            return JSONResponse({"error": error.message}, error.status, {**headers, **error.headers})
        if not file.lfs:
            return FileResponse(self._objects.path(file.sha256), headers={**headers, "ETag": f'"{file.oid}"'})
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
        return Response(status_code=302, headers={**headers, "Location": self._address("download", file.sha256)})

    async def upload(self, request: Request) -> Response:
        """Takes one object in."""
        sha256 = request.path_params["sha256"]
        try:
            self._objects.admit("upload", sha256, request.query_params.get("ticket", ""))
            await self._objects.receive(sha256, request.stream())
        except HubError as error:
            return JSONResponse({"error": error.message}, error.status)
        return Response()

    async def download(self, request: Request) -> Response:
        """Gives one object out, or a range of it."""
        sha256 = request.path_params["sha256"]
        try:
            self._objects.admit("download", sha256, request.query_params.get("ticket", ""))
        except HubError as error:
            return JSONResponse({"error": error.message}, error.status)
        return FileResponse(self._objects.path(sha256), headers={"ETag": f'"{sha256}"'})

    def _announced(self, call: Call, announced: Json) -> Json:
        sha256, size = announced["oid"], announced["size"]
        answer = {"oid": sha256, "size": size}
        if self._objects.has(sha256, size):
            return answer
        place = "" if call.path["kind"] == "models" else f"{call.path['kind']}/"
        verify = f"{call.address}/{place}{call.repository_name}.git/info/lfs/objects/verify"
        return answer | {"actions": {"upload": {"href": self._address("upload", sha256)}, "verify": {"href": verify}}}

    def _address(self, purpose: str, sha256: str) -> str:
        return f"{self._storage}/storage/{sha256}?ticket={self._objects.ticket(purpose, sha256)}"
