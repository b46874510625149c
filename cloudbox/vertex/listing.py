"""Server-side lists: `filter`, `order_by`, `page_size` and `page_token` of the requests of Google's services."""

from __future__ import annotations

import base64
import json
from typing import Any

from cloudbox.errors import invalid
from cloudbox.rpc import raw
from cloudbox.vertex.filters import field_at, matcher

PAGE = 100
LARGEST_PAGE = 1000


def page(resources: list[Any], request: Any) -> tuple[list[Any], str]:
    """One page of the resources that the request's filter lets through, and the token of the next ('' at the end).

    Raises:
        ApiError: INVALID_ARGUMENT for a filter, an order or a token that is not understood.
    """
    wanted = str(getattr(request, "filter", "") or "")
    matches = matcher(wanted)
    kept = [resource for resource in resources if matches(raw(resource))]
    kept = _ordered(kept, str(getattr(request, "order_by", "") or ""))
    size = int(request.page_size) if request.page_size > 0 else PAGE
    start = _start(request.page_token, wanted)
    end = start + min(size, LARGEST_PAGE)
    return kept[start:end], _token(end, wanted) if end < len(kept) else ""


def _ordered(resources: list[Any], order_by: str) -> list[Any]:
    for part in reversed([key.split() for key in order_by.split(",") if key.strip()]):
        if len(part) > 2 or part[1:] not in ([], ["asc"], ["desc"]):
            raise invalid(f"Invalid order_by `{order_by}`; expected `FIELD [asc|desc]`.")
        path = part[0]
        resources = sorted(resources, key=lambda resource: field_at(raw(resource), path), reverse=part[1:] == ["desc"])
    return resources


def _token(start: int, wanted: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, wanted]).encode()).decode()


def _start(token: str, wanted: str) -> int:
    """A token belongs to the filter that it was made for: another one would skip resources in silence."""
    if not token:
        return 0
    try:
        start, made_for = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise invalid(f"Invalid page_token `{token}`.") from error
    if made_for != wanted:
        raise invalid("The page_token was made for another filter.")
    return int(start)
