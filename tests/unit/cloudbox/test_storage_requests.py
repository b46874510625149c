"""Google's names for the requests of Cloud Storage's clients."""

from __future__ import annotations

import pytest

from cloudbox.ledger.calls import ANONYMOUS
from cloudbox.storage.requests import Request


@pytest.mark.parametrize(
    ("line", "method", "bucket", "is_transfer"),
    [
        ("GET /storage/v1/b?project=p", "storage.buckets.list", "", False),
        ("POST /storage/v1/b?project=p", "storage.buckets.insert", "", False),
        ("GET /storage/v1/b/news", "storage.buckets.get", "news", False),
        ("GET /storage/v1/b/news/o?prefix=a%2F", "storage.objects.list", "news", False),
        ("GET /storage/v1/b/news/o/a%2Fb", "storage.objects.get", "news", False),
        ("GET /storage/v1/b/news/o/a%2Fb?alt=media", "storage.objects.get", "news", True),
        ("GET /download/storage/v1/b/news/o/a?alt=media", "storage.objects.get", "news", True),
        ("GET /news/a/b", "storage.objects.get", "news", True),
        ("DELETE /storage/v1/b/news/o/a%2Fb", "storage.objects.delete", "news", False),
        ("PATCH /storage/v1/b/news/o/a", "storage.objects.patch", "news", False),
        ("POST /storage/v1/b/news/o/a/rewriteTo/b/other/o/c", "storage.objects.rewrite", "news", False),
        ("POST /storage/v1/b/news/o/a/compose", "storage.objects.compose", "news", False),
        ("POST /upload/storage/v1/b/news/o?uploadType=multipart", "storage.objects.insert", "news", True),
        ("POST /upload/storage/v1/b/news/o?uploadType=resumable", "storage.objects.insert", "news", False),
        ("PUT /upload/storage/v1/b/news/o?uploadType=resumable&upload_id=1", "storage.objects.insert", "news", True),
        ("POST /batch/storage/v1", "storage.objects.delete", "", False),
    ],
)
def test_a_request_is_known_by_its_first_line(line: str, method: str, bucket: str, is_transfer: bool) -> None:
    request = Request.read(f"{line} HTTP/1.1\r\nHost: box\r\nConnection: keep-alive\r\n\r\n".encode())
    assert (request.method, request.bucket, request.is_transfer) == (method, bucket, is_transfer)
    assert request.head("HTTP/1.1") == f"{line} HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("line", "is_call"),
    [
        ("POST /upload/storage/v1/b/news/o?uploadType=resumable", True),
        ("PUT /upload/storage/v1/b/news/o?uploadType=resumable&upload_id=1", False),
        ("GET /_internal/healthcheck", False),
    ],
)
def test_only_calls_of_googles_methods_are_noted(line: str, is_call: bool) -> None:
    assert Request.read(f"{line} HTTP/1.1\r\n\r\n".encode()).is_call is is_call


def test_the_account_is_told_by_the_address_where_no_token_is_sent() -> None:
    request = Request.read(b"GET /as/steps@p.iam.gserviceaccount.com/storage/v1/b/news/o HTTP/1.1\r\n\r\n")
    assert (request.principal, request.method) == ("steps@p.iam.gserviceaccount.com", "storage.objects.list")
    assert request.head("HTTP/1.1").startswith(b"GET /storage/v1/b/news/o HTTP/1.1\r\n")
    assert Request.read(b"GET /storage/v1/b HTTP/1.1\r\n\r\n").principal == ANONYMOUS
