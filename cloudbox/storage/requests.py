"""What a request to Cloud Storage asks for, and who asks, read from its head.

PUT /upload/storage/v1/b/news/o?uploadType=resumable&upload_id=7 HTTP/1.1 -> storage.objects.insert in bucket news
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from cloudbox.ledger.calls import ANONYMOUS, principal_of

HEALTH = "/_internal/healthcheck"
"""The emulator's own."""
_OBJECTS = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<object>[^/]+)(?:/(?P<verb>\w+)\b.*)?)?")
_BUCKETS = re.compile(r"/storage/v1/b(?:/(?P<bucket>[^/]+)(?P<rest>/.*)?)?")
_AS = re.compile(r"/as/(?P<account>[^/]+)(?=/)")
_BATCH = "/batch/storage/v1"
_OBJECT_METHODS = {"GET": "get", "HEAD": "get", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}
_OBJECT_VERBS = {"rewriteTo": "rewrite", "copyTo": "copy", "compose": "compose"}
_BUCKET_METHODS = {**_OBJECT_METHODS, "POST": "insert"}


@dataclass(frozen=True)
class Request:
    """The head of one HTTP request; `headers` by lower-case name."""

    verb: str
    target: str
    headers: Mapping[str, str]
    principal: str = ANONYMOUS

    @classmethod
    def read(cls, head: bytes) -> Request:
        """The request of these bytes. Raises ValueError when it is none."""
        first, headers = split_head(head)
        verb, target, _ = first.split(" ", 2)
        by_name = {name.lower(): value for name, value in headers}
        principal = principal_of(by_name.get("authorization", ""))
        if match := _AS.match(target):  # told by the address, since Google's client sends an emulator no token
            principal, target = unquote(match["account"]), target[match.end() :]
        return cls(verb, target, by_name, principal)

    def head(self, version: str) -> bytes:
        """The same for the emulator, in this version of HTTP; the connection serves no further request."""
        kept = {name: value for name, value in self.headers.items() if name not in ("connection", "keep-alive")}
        return join_head(f"{self.verb} {self.target} {version}", {**kept, "connection": "close"})

    @property
    def path(self) -> str:
        """The path without its query, and without what tells uploads and downloads from the rest."""
        return re.sub(r"^/(?:resumable/)?(?:upload|download)/", "/", urlsplit(self.target).path)

    def option(self, name: str) -> str:
        """A value of the query; empty without one."""
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]

    @property
    def bucket(self) -> str:
        """The bucket that is asked; empty for a list of buckets and for a batch."""
        match = _BUCKETS.fullmatch(self.path)
        return unquote(match["bucket"] or "") if match else self._of_media()[0]

    @property
    def method(self) -> str:
        """Google's name of the method, as `storage.objects.insert`; a batch stands for its deletions."""
        if self.path == _BATCH:
            return "storage.objects.delete"
        if match := _OBJECTS.fullmatch(self.path):
            return f"storage.objects.{self._object_method(match)}"
        if match := _BUCKETS.fullmatch(self.path):
            if match["rest"]:
                return f"storage.buckets.{'getIamPolicy' if match['rest'] == '/iam' else match['rest'].strip('/')}"
            return f"storage.buckets.{_BUCKET_METHODS[self.verb] if match['bucket'] or self.verb != 'GET' else 'list'}"
        return "storage.objects.get" if self._of_media()[1] else "storage.unknown"

    @property
    def is_call(self) -> bool:
        """Whether it calls a method of Google's: no further part of an upload that has begun, no health check."""
        return not self.option("upload_id") and self.path != HEALTH

    @property
    def is_transfer(self) -> bool:
        """Whether an object's bytes go over the connection, up or down."""
        if self.method == "storage.objects.insert":
            begins = self.verb == "POST" and self.option("uploadType") == "resumable"
            return not begins
        media = "/download/" in urlsplit(self.target).path or self.option("alt") == "media" or bool(self._of_media()[1])
        return self.method == "storage.objects.get" and media

    def _object_method(self, match: re.Match[str]) -> str:
        if "/upload/" in urlsplit(self.target).path:
            return "insert"
        if match["object"] is None:
            return "list" if self.verb == "GET" else "insert"
        return _OBJECT_VERBS.get(match["verb"] or "", _OBJECT_METHODS.get(self.verb, "insert"))

    def _of_media(self) -> tuple[str, str]:
        """Bucket and object of `GET /bucket/object`, the address of bytes in the XML interface."""
        bucket, _, name = urlsplit(self.target).path.strip("/").partition("/")
        return (bucket, name) if bucket not in ("storage", "batch", "upload", "download") else ("", "")


def split_head(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The first line of a request or a response, and its headers."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def join_head(first: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a head."""
    return ("\r\n".join([first, *(f"{name}: {value}" for name, value in headers.items())]) + "\r\n\r\n").encode(
        "latin-1"
    )
