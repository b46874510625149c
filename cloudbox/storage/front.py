"""The front of Cloud Storage: each request, one connection; passed on to the emulator, or refused, or made to fail.

The emulator knows neither projects nor failures: the front tells a bucket's project, refuses buckets of others, and
obeys the faults on demand, also in the midst of an object's bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc

from cloudbox import faults
from cloudbox.box import HOST, Box
from cloudbox.credentials import service_account
from cloudbox.errors import HTTP_STATUS
from cloudbox.faults import Fault
from cloudbox.ledger.calls import Call, record
from cloudbox.storage.requests import Request, join_head, split_head

CHUNK_BYTES = 256 * 1024
HEAD_WITHIN_S = 60.0
HEAD_BYTES = 64 * 1024
STRANGERS_NUMBER = 314159265358
"""The project that a bucket by a fault `foreign` belongs to."""


class CutError(ConnectionError):
    """The connection ends here, by a fault on demand."""


class RefusedError(Exception):
    """What is answered instead of the emulator's answer: an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Front:
    """Answers at one port for the emulator at another."""

    box: Box

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, for one request."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_WITHIN_S)
            await self._answer(Request.read(head), reader, writer)
        except RefusedError as refusal:
            _send_json(writer, refusal.status, _error(refusal))
        except CutError:
            writer.transport.abort()
        except (TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the client or the emulator went away; the connection ends, which says so
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        home, method = self.box.home, request.method
        if request.is_call:
            record(home, Call(request.principal, method))
        if slow := faults.take(home, "slow", method):
            await asyncio.sleep(slow.seconds)
        if fault := faults.take(home, "error", method):
            raise RefusedError(
                HTTP_STATUS[grpc.StatusCode[fault.code]], f"{fault.code} by a fault on demand for {method}."
            )
        if request.bucket and faults.take(home, "foreign", request.bucket):
            self._answer_foreign(request, writer)
            return
        project = request.option("project")
        if method == "storage.buckets.insert" and project not in ("", self.box.project, str(self.box.project_number)):
            raise self._denied("storage.buckets.create", f"project {project}")
        onward_reader, onward = await asyncio.open_connection(HOST, self.box.port("gcs", "emulator"), limit=HEAD_BYTES)
        try:
            if method.startswith("storage.buckets."):
                await self._pass_bucket(request, (reader, writer), (onward_reader, onward))
            else:
                fault = _fault_in_midst(self.box, request)
                await _pass(request, (reader, writer), (onward_reader, onward), fault)
        finally:
            onward.close()

    async def _pass_bucket(
        self,
        request: Request,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        emulator: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Passes on a call about buckets; the answer is small, and told with the project's number."""
        onward_reader, onward = emulator
        onward.write(request.head("HTTP/1.0"))  # answered whole, not in chunks
        onward.write(await client[0].readexactly(_length(request.headers) or 0))
        first, headers = split_head(await onward_reader.readuntil(b"\r\n\r\n"))
        body = await onward_reader.read()
        with contextlib.suppress(ValueError):  # a deletion is answered with nothing
            body = json.dumps(self._with_project_number(json.loads(body))).encode()
        kept = {name.lower(): value for name, value in headers}
        if body or "content-length" in kept:
            kept["content-length"] = str(len(body))
        client[1].write(join_head(first.replace("HTTP/1.0", "HTTP/1.1"), {**kept, "connection": "close"}) + body)
        await client[1].drain()

    def _with_project_number(self, answer: Any) -> Any:
        for bucket in [answer, *answer.get("items", ())]:
            if bucket.get("kind") == "storage#bucket":
                bucket["projectNumber"] = str(self.box.project_number)
        return answer

    def _answer_foreign(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Of another project's bucket, which happens to be public, its metadata alone."""
        if request.method != "storage.buckets.get":
            raise self._denied(request.method, f"bucket {request.bucket}")
        metadata = {"kind": "storage#bucket", "id": request.bucket, "name": request.bucket}
        place = {
            "projectNumber": str(STRANGERS_NUMBER),
            "location": self.box.region.upper(),
            "storageClass": "STANDARD",
        }
        _send_json(writer, 200, {**metadata, **place})

    def _denied(self, permission: str, what: str) -> RefusedError:
        account = service_account(self.box)
        return RefusedError(
            403,
            f"{account} does not have {permission} access to the {what}. "
            f"Permission '{permission}' denied on resource (or it may not exist).",
        )


def _fault_in_midst(box: Box, request: Request) -> Fault | None:
    if not request.is_transfer:
        return None
    return faults.take(box.home, "stall", request.method) or faults.take(box.home, "cut", request.method)


async def _pass(
    request: Request,
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    emulator: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    fault: Fault | None,
) -> None:
    """Passes a request on and its answer back, until the emulator ends the connection."""
    reader, writer = client
    onward_reader, onward = emulator
    up = request.method == "storage.objects.insert"
    onward.write(request.head("HTTP/1.1"))
    chunked = "transfer-encoding" in request.headers
    length = None if chunked else _length(request.headers) or 0
    sending = asyncio.create_task(_copy(reader, onward, length, fault if up else None))
    receiving = asyncio.create_task(_receive(onward_reader, writer, None if up else fault))
    try:
        await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()  # cut off, or the client went away
        await receiving  # also where the emulator answers before it was sent everything
    finally:
        sending.cancel()
        receiving.cancel()


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault | None) -> None:
    while (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100"):
        writer.write(head)  # go on sending
    writer.write(head)
    length = _length({name.lower(): value for name, value in split_head(head)[1]})
    await _copy(reader, writer, None, fault, fails_after=(length or 0) // 2)


async def _copy(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    length: int | None,
    fault: Fault | None,
    fails_after: int | None = None,
) -> None:
    """Copies `length` bytes, or all; halfway, a fault makes the connection wait or end."""
    fails_after = (length or 0) // 2 if fails_after is None else fails_after
    copied = 0
    while length is None or copied < length:
        wanted = CHUNK_BYTES if length is None else min(CHUNK_BYTES, length - copied)
        if fault is not None and copied < fails_after:
            wanted = min(wanted, fails_after - copied)
        chunk = await source.read(wanted)
        if not chunk:
            if length is not None:
                raise ConnectionError("the sender went away within a body")
            return
        sink.write(chunk)
        await sink.drain()
        copied += len(chunk)
        if fault is not None and copied >= fails_after:
            if fault.kind == "cut":
                raise CutError
            await asyncio.sleep(fault.seconds)
            fault = None


def _length(headers: Any) -> int | None:
    length = headers.get("content-length")
    return int(length) if length is not None else None


def _error(refusal: RefusedError) -> dict[str, Any]:
    reason = "forbidden" if refusal.status == HTTPStatus.FORBIDDEN else "backendError"
    detail = {"message": refusal.message, "domain": "global", "reason": reason}
    return {"error": {"code": refusal.status, "message": refusal.message, "errors": [detail]}}


def _send_json(writer: asyncio.StreamWriter, status: int, content: Any) -> None:
    body = json.dumps(content).encode()
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    headers = {
        "content-type": "application/json; charset=UTF-8",
        "content-length": str(len(body)),
        "connection": "close",
    }
    writer.write(join_head(f"HTTP/1.1 {status} {reason}", headers) + body)
