"""GitHub's REST interface, asked with Python's own library.

GitHub(url="https://api.github.com", token="…").get("/repos/evergreen/news/pulls/7")["title"]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from evergreen.core.errors import EvergreenError, InputError

TIMEOUT_S = 30.0
PAGE = 100


@dataclass(frozen=True)
class GitHub:
    """GitHub as a workflow's token sees it; `url` is where its interface is, on a GitHub of one's own elsewhere."""

    url: str
    token: str = field(repr=False)

    def get(self, path: str, **query: Any) -> Any:
        """The answer to a question.

        Raises:
            EvergreenError: GitHub refused, or does not answer.
        """
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list, page after page."""
        page = 1
        while items := self.get(path, **query, per_page=PAGE, page=page):
            yield from items
            if len(items) < PAGE:
                return
            page += 1

    def post(self, path: str, **content: Any) -> Any:
        """The answer to something new."""
        return self._ask("POST", path, content)

    def patch(self, path: str, **content: Any) -> Any:
        """The answer to a change."""
        return self._ask("PATCH", path, content)

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}{path}", body, headers, method=method)  # noqa: S310 (checked by `from_environment`)
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 (as above)
                return json.load(answer)
        except HTTPError as error:
            raise EvergreenError(f"GitHub refused {method} {path}: {error.code} {_reason(error)}") from error
        except (URLError, OSError, HTTPException, ValueError) as error:
            raise EvergreenError(f"GitHub does not answer {method} {path} at {self.url}: {error}") from error


def from_environment() -> GitHub:
    """GitHub as the variables of a workflow name it.

    Raises:
        InputError: there is no token, or the address is none of HTTP.
    """
    url, token = os.environ.get("GITHUB_API_URL", "https://api.github.com"), os.environ.get("GITHUB_TOKEN", "")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InputError(f"GITHUB_API_URL {url!r} is no address of GitHub's interface, such as https://api.github.com")
    if not token:
        raise InputError("GITHUB_TOKEN is not set; a workflow gives it as ${{ github.token }}")
    return GitHub(url.rstrip("/"), token)


def _reason(error: HTTPError) -> str:
    """GitHub's own sentence."""
    try:
        return str(json.load(error)["message"])[:200]
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)
