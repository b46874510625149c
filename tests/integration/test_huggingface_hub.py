"""What the real Hub client makes of a Hub's answers, given by a server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from evergreen.adapters import HuggingFaceSource
from evergreen.core.errors import EvergreenError, InputError


class Hub(BaseHTTPRequestHandler):
    commits: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        if self.headers.get("Authorization") == "Bearer no-access":
            self.answer(403, {"error": "restricted"}, "GatedRepo")
        elif "/broken" in self.path:
            self.answer(500, {"error": "internal"})
        elif "/revision/gone" in self.path:
            self.answer(404, {"error": "Invalid rev id: gone"}, "RevisionNotFound")
        elif (name := self.path.removeprefix("/api/datasets/")) in self.commits:
            self.answer(200, {"id": name, "sha": self.commits[name], "siblings": [], "tags": []})
        else:
            self.answer(404, {"error": "Repository not found"}, "RepoNotFound")

    def answer(self, status: int, body: dict[str, object], code: str | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield Hub
        server.shutdown()


def test_identity_follows_the_commit_of_the_hub(hub: type[Hub]) -> None:
    source = HuggingFaceSource(name="org/news")
    hub.commits = {"org/news": "a" * 40}
    before = source.identity(None)
    assert before == source.identity(None)
    assert "org/news (train) at aaaaaaaaaaaa" in before.description
    hub.commits = {"org/news": "b" * 40}
    assert source.identity(None).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "org/none"}, "data set 'org/none' cannot be read"),
        ({"name": "org/news", "revision": "gone"}, "data set 'org/news gone' cannot be read"),
        ({"name": "org/news", "token_env": "NEWS_TOKEN"}, "token_env for a private one"),
    ],
)
def test_what_the_hub_refuses_is_an_input_error(
    hub: type[Hub], fields: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWS_TOKEN", "no-access")
    with pytest.raises(InputError, match=message) as caught:
        HuggingFaceSource.model_validate(fields).identity(None)
    assert "no-access" not in str(caught.value)


def test_a_hub_that_fails_is_not_the_users_mistake(hub: type[Hub]) -> None:
    with pytest.raises(EvergreenError, match="does not answer for data set 'org/broken'") as caught:
        HuggingFaceSource(name="org/broken").identity(None)
    assert not isinstance(caught.value, InputError)
