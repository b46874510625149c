"""What the server and the front before it decide from a request's headers alone, so that both decide alike.

X-Trace-Id: 5f0c…    X-Time-Left-Ms: 57300    Host: 127.0.0.1:8501
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator

from evergreen.core.errors import InputError
from evergreen.core.traces import new_trace

TRACE_HEADER = "x-trace-id"
TIME_LEFT_HEADER = "x-time-left-ms"
"""How long the caller still waits for the answer; work for longer is dropped. The front tells its workers so, too."""
UNLOGGED_HEADER = "x-unlogged"
"""Says that a request is no traffic but a question of a rollout, or a copy, which no request log counts. The front says
so to its workers: of its callers' headers it hands on no other than those named here.
"""
SHARE_HEADER = "x-machine-share"
"""How much of this machine's cores a worker takes, in percent: the front tells it what part of the traffic it has."""
SINGLE = (
    *(TIME_LEFT_HEADER, SHARE_HEADER, TRACE_HEADER, "content-type", "content-encoding", "content-length", "expect"),
    *("host", "origin", "sec-fetch-site", "sec-fetch-mode"),
)
"""Headers of one value. Of `traceparent`, the standard has what cannot be read begin a new trace."""
CHARSETS = ("utf-8", "utf8", "us-ascii")
"""What JSON is in (RFC 8259), how some spell it, and a part of it; another one would be misread."""
QUOTE = re.compile(r"\s*'[A-Za-z-]{1,40}' header|(?P<quoted>[\s:]*(?:bytearray\(|(?<!\w)b?['\"]).*)")
"""The name of a header, as in `Missing 'Host' header`; or where a parser begins to quote a request, not in `can't`."""
PERCENT = re.compile(r"[0-9]{1,3}")
MILLISECONDS = re.compile(r"[0-9]{1,9}")
TRACE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s]*)")
TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+))(?::(?P<port>\d{1,5}))?")
HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


_ALLOW = "name it in host.allowed_hosts (EVERGREEN_ALLOWED_HOSTS of a server alone)"


def _host_name(given: str) -> str:
    bare = given[1:-1] if given.startswith("[") and given.endswith("]") else given
    if not HOST_NAME.fullmatch(given) and not _is_v6(bare):
        raise ValueError(
            f"{given[:60]!r} is no host's name; give the name or address alone, without scheme, port or path, such as "
            "app.example"
        )
    return bare


def _is_v6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


HostName = Annotated[str, AfterValidator(_host_name)]
"""A name or an address; one of IPv6 with or without the brackets of a Host header."""


def repeated_refusal(names: Iterable[str]) -> str | None:
    """Why a request is refused whose headers have these names, one for each line; None where all are said once.

    Of a header that holds one value, each program on the way may take another one for it; so it is with two headers
    that both say how long the body is.
    """
    lines = [name.lower() for name in names]
    if "transfer-encoding" in lines and "content-length" in lines:
        return "content-length and transfer-encoding are both there; send one of them"
    return next(
        (f"{name} is there {lines.count(name)} times; send it once" for name in SINGLE if lines.count(name) > 1), None
    )


def malformed(reason: str) -> str:
    """What is said of a request that is no HTTP: what its parser knows, without what that quotes of it."""
    first = reason.strip().partition("\n")[0]
    what = QUOTE.sub(lambda match: "" if match["quoted"] else match[0], first).rstrip(" :.")
    said = f": {what}" if what else ""
    return f"this is no well-formed HTTP request{said}; send it by an HTTP/1.1 client, such as curl"


class Trace:
    """The id of one request: its caller's `x-trace-id`, or that of its W3C `traceparent`, or one that is made here.

    `version` is the one that is asked, as far as it is known; `asked` the one that was asked last.
    """

    def __init__(self, headers: Mapping[str, str], version: str = "") -> None:
        given = headers.get(TRACE_HEADER, "")
        parent = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        self._given = TRACE_ID.fullmatch(given) is not None or parent is not None
        self._version = self.asked = version
        self.id = (given if TRACE_ID.fullmatch(given) else parent[1] if parent else None) or new_trace(version)

    def ask(self, version: str) -> str:
        """The id, which names the version that is asked now, unless the caller gave it."""
        self.asked = version
        if not self._given and version != self._version:
            self._version, self.id = version, new_trace(version)
        return self.id


def time_left_s(headers: Mapping[str, str]) -> float | None:
    """How long the caller still waits, where it says so.

    Raises:
        InputError: what it says is no whole number of milliseconds.
    """
    given = headers.get(TIME_LEFT_HEADER)
    if given is None:
        return None
    if not MILLISECONDS.fullmatch(given):
        raise InputError(f"{TIME_LEFT_HEADER} is {given[:20]!r}; send whole milliseconds, 0 to 999999999")
    return int(given) / 1000


def machine_share(headers: Mapping[str, str]) -> float:
    """The share of the cores that the front leaves to a worker; 1 where it says nothing."""
    given = headers.get(SHARE_HEADER, "")
    return min(int(given), 100) / 100 if PERCENT.fullmatch(given) else 1.0


def media_refusal(content_type: str, content_encoding: str) -> str | None:
    """Why a body that is declared so is not read; None for plain JSON in UTF-8, and where nothing is declared."""
    media_type, *parameters = (part.strip() for part in content_type.lower().split(";"))
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        return f"content-type is {media_type[:60]!r}; send 'content-type: application/json'"
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "charset" and (charset := value.strip().strip('"')) not in CHARSETS:
            return f"charset of content-type is {charset[:60]!r} (allowed: utf-8); send the body in UTF-8"
    if content_encoding.strip().lower() not in ("", "identity"):
        return f"content-encoding is {content_encoding[:60]!r}; send the body uncompressed"
    return None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether the name or address reaches this machine from itself alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def target_host(target: str) -> dict[str, str]:
    """The host of a target that is a whole URL, as the Host header above which it stands; else nothing."""
    whole = TARGET.match(target)
    return {"host": whole[1]} if whole else {}


def target_path(target: str) -> str:
    """The path of a request's target as it was sent, `/health` of `http://127.0.0.1:8080/health?a=1` as of itself."""
    whole = TARGET.match(target)
    path = target[whole.end() :] if whole else target
    return path.partition("#")[0].partition("?")[0] or "/"


def expect_refusal(headers: Mapping[str, str]) -> str | None:
    """Why a request is refused that expects more than to be asked for its body; None where it does not."""
    if headers.get("expect", "100-continue").strip().lower() == "100-continue":
        return None
    return "the Expect header asks for more than '100-continue'; leave it out"


def origin_refusal(
    method: str, headers: Mapping[str, str], bound_to: str, allowed_hosts: Collection[str] = ()
) -> tuple[int, str] | None:
    """Status and reason for a request that a page of another site sends to a server of this machine alone.

    A page reaches loopback under a name of its own (DNS rebinding), or asks blindly across sites. What listens
    on other addresses has names that it does not know, so nothing is refused there. `allowed_hosts` are further names
    of this server, as of a proxy before it.
    """
    if not is_loopback(bound_to):
        return None
    own = {bound_to.lower(), *(name.lower() for name in allowed_hosts)}
    host = headers.get("host")
    if host is not None and not _is_own(host, own):
        return 421, f"the Host header names another host, {host[:60]!r}; ask for 127.0.0.1 or localhost, or {_ALLOW}"
    origin = headers.get("origin")
    parts = ORIGIN.fullmatch(origin or "")
    if origin is not None and not (parts and _is_own(parts[1], own)):
        return 403, f"pages of other sites may not ask this server; the Origin is {origin[:60]!r}: {_ALLOW}"
    navigates = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if origin is None and headers.get("sec-fetch-site") == "cross-site" and not navigates:
        return 403, "pages of other sites may not ask this server; Sec-Fetch-Site is 'cross-site', without an Origin"
    return None


def error_body(message: str, trace: str, instance: int | None = None) -> bytes:
    """The body of an error's answer."""
    error: dict[str, object] = {"message": message, "trace_id": trace}
    if instance is not None:
        error["instance"] = instance
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def raw_refusal(status: HTTPStatus, message: str) -> bytes:
    """A whole answer that ends the connection, for requests that never came as far as a handler."""
    trace = new_trace()
    body = error_body(message, trace)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"{TRACE_HEADER}: {trace}",
        "connection: close",
        *(["retry-after: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _is_own(host: str, own: Collection[str]) -> bool:
    parts = HOST.fullmatch(host)
    name = (parts["v6"] or parts["name"]) if parts else ""
    return is_loopback(name) or name.lower() in own
