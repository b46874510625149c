"""What the real Hub client makes of a Hub's answers, given by a server on loopback."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource
from evergreen.data.freshness import coverage_after
from evergreen.tasks.hub_snapshot import HubModel
from evergreen.tasks.text_classification.encoder import Encoder
from tests.rows import rows_of


class Hub(BaseHTTPRequestHandler):
    commits: ClassVar[dict[str, str]] = {}
    asked: ClassVar[list[str]] = []
    failures: ClassVar[list[int]] = []
    rows: ClassVar[dict[str, bytes]] = {}
    """What `train.jsonl` of the data set org/rows holds, by commit."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.failures:
            self.answer(self.failures.pop(0), {"error": "busy"})
        elif self.headers.get("Authorization") == "Bearer no-access":
            self.answer(403, {"error": "restricted"}, "GatedRepo")
        elif "/broken" in self.path:
            self.answer(500, {"error": "internal"})
        elif "/revision/gone" in self.path:
            self.answer(404, {"error": "Invalid rev id: gone"}, "RevisionNotFound")
        elif self.path.startswith("/api/models/org/encoder-moves"):
            siblings = [{"rfilename": name} for name in ("config.json", "tokenizer.json", "model.safetensors")]
            commit = self.commits["org/encoder-moves"]
            self.answer(200, {"id": "org/encoder-moves", "sha": commit, "siblings": siblings, "tags": []})
        elif "/org/encoder-moves/resolve/" in self.path:
            self.answer_file()
        elif "/datasets/org/rows/" in self.path:
            self.answer_rows()
        elif (name := self.path.removeprefix("/api/datasets/")) in self.commits:
            siblings = [{"rfilename": "scripted.py"}, {"rfilename": "README.md"}]
            self.answer(200, {"id": name, "sha": self.commits[name], "siblings": siblings, "tags": []})
        else:
            self.answer(404, {"error": "Repository not found"}, "RepoNotFound")

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        if self.failures:
            self.answer(self.failures.pop(0), {"error": "busy"})
            return
        if "/org/encoder-moves/resolve/" in self.path:
            self.answer_file()
            return
        self.answer(404, {"error": "Entry not found"}, "EntryNotFound")

    def answer_rows(self) -> None:
        path = self.path.partition("?")[0]
        commit = next((commit for commit in self.rows if commit in path), "")
        entry = {"type": "file", "path": "train.jsonl", "oid": commit, "size": len(self.rows.get(commit, b""))}
        if path.endswith(f"/revision/{commit}"):
            self.answer(200, {"id": "org/rows", "sha": commit, "siblings": [{"rfilename": "train.jsonl"}], "tags": []})
        elif path.endswith(f"/tree/{commit}"):
            self.answer(200, [entry])
        elif path.endswith(f"/resolve/{commit}/train.jsonl"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.rows[commit])))
            self.end_headers()
            self.wfile.write(self.rows[commit])
        else:
            self.answer(404, {"error": "Entry not found"}, "EntryNotFound")

    def answer_file(self) -> None:
        """A file that holds its commit, which is that of the branch now where none is named."""
        revision = self.path.split("/")[-2]
        commit = self.commits["org/encoder-moves"] if revision == "main" else revision
        payload = json.dumps({"commit": commit}).encode()
        self.send_response(200)
        for name, value in (("X-Repo-Commit", commit), ("ETag", f'"{commit}"'), ("Content-Length", str(len(payload)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def answer(self, status: int, body: object, code: str | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


def reach(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    files = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("evergreen.runtime.hub.RETRY_WAITS_S", (0.01, 0.01))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        reach(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        Hub.asked, Hub.failures = [], []
        yield Hub
        server.shutdown()


def test_identity_follows_the_commit_of_the_hub(hub: type[Hub]) -> None:
    source = HuggingFaceSettings(name="org/news")
    hub.commits = {"org/news": "a" * 40}
    before = source_of(source).identity(None)
    assert before == source_of(source).identity(None)
    assert "org/news (train) at aaaaaaaaaaaa" in before.description
    hub.commits = {"org/news": "b" * 40}
    assert source_of(source).identity(None).fingerprint != before.fingerprint


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
        source_of(HuggingFaceSettings.model_validate(fields)).identity(None)
    assert "no-access" not in str(caught.value)


def test_a_data_set_with_a_loading_script_is_refused_before_anything_is_read(hub: type[Hub]) -> None:
    hub.commits = {"org/scripted": "a" * 40}
    with pytest.raises(InputError, match=r"source\.name 'org/scripted' .*loading script.*refs/convert/parquet"):
        source_of(HuggingFaceSettings(name="org/scripted")).identity(None)


def test_a_hub_that_fails_is_not_the_users_mistake(hub: type[Hub]) -> None:
    with pytest.raises(EvergreenError, match="does not answer for data set 'org/broken'") as caught:
        source_of(HuggingFaceSettings(name="org/broken")).identity(None)
    assert not isinstance(caught.value, InputError)


def test_a_hub_out_of_reach_is_not_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        reach(f"http://127.0.0.1:{closed.getsockname()[1]}", monkeypatch)
        with pytest.raises(EvergreenError, match="does not answer for data set 'no/where'") as caught:
            source_of(HuggingFaceSettings(name="no/where")).identity(None)
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize("failures", [[429], [503, 500]])
def test_a_hub_that_is_busy_for_a_moment_is_asked_again(hub: type[Hub], failures: list[int]) -> None:
    hub.commits = {"org/news": "a" * 40}
    hub.failures = failures
    assert "at aaaaaaaaaaaa" in source_of(HuggingFaceSettings(name="org/news")).identity(None).description
    assert hub.failures == []


def test_a_hub_that_stays_busy_is_given_up(hub: type[Hub]) -> None:
    hub.failures = [503] * 9
    with pytest.raises(EvergreenError, match="does not answer"):
        source_of(HuggingFaceSettings(name="org/news")).identity(None)
    assert len(hub.asked) == 3


def test_what_the_hub_refuses_is_asked_once(hub: type[Hub]) -> None:
    hub.commits = {}
    with pytest.raises(InputError):
        source_of(HuggingFaceSettings(name="org/none")).identity(None)
    assert len(hub.asked) == 1


def test_an_encoder_of_a_hub_that_stays_busy_is_not_the_users_mistake(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # the Hub's client waits 23 s in all before it gives up
    hub.failures = [503] * 40
    with pytest.raises(EvergreenError, match="does not answer for encoder 'org/encoder'") as caught:
        Encoder(reference="org/encoder").check()
    assert not isinstance(caught.value, InputError)
    assert len(hub.asked) > 1


def test_an_encoder_that_the_hub_does_not_have_is_the_users_mistake(hub: type[Hub]) -> None:
    with pytest.raises(InputError, match="encoder 'org/encoder' cannot be used"):
        Encoder(reference="org/encoder").check()


def test_all_files_of_an_encoder_are_of_one_commit_though_its_branch_moves(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub.commits = {"org/encoder-moves": "d" * 40}
    first = Encoder(reference="org/encoder-moves").small_files()
    hub.commits = {"org/encoder-moves": "e" * 40}
    again = Encoder(reference="org/encoder-moves")
    assert again.small_files() == again.whole() == first
    assert {path.name for path in first.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert all("d" * 40 in path.read_text() for path in first.iterdir())
    assert sum(path.startswith("/api/models/") for path in hub.asked) == 1


def test_a_branch_that_moves_while_files_are_fetched_leaves_them_of_one_commit(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub.commits = {"org/encoder-moves": "d" * 40}
    download = HubModel._download

    def moving(self: HubModel, name: str, revision: str | None) -> Path:
        hub.commits = {"org/encoder-moves": "e" * 40}
        return download(self, name, revision)

    monkeypatch.setattr(HubModel, "_download", moving)
    folder = Encoder(reference="org/encoder-moves").whole()
    assert folder.name == "d" * 40
    assert all("d" * 40 in path.read_text() for path in folder.iterdir())


def test_rows_are_read_at_the_commit_that_the_identity_names(hub: type[Hub], tmp_path: Path) -> None:
    hub.commits = {"org/moving": "c" * 40}
    with pytest.raises(InputError):  # this Hub has the data set's name and none of its files
        source_of(HuggingFaceSettings(name="org/moving")).read(None, tmp_path)
    assert hub.asked[0] == "/api/datasets/org/moving"
    assert hub.asked[1:]
    assert all("c" * 40 in path for path in hub.asked[1:]), hub.asked


def lines(*rows: tuple[str, int]) -> bytes:
    """Rows of (id, day of May on which it came)."""
    return b"".join(
        json.dumps({"id": name, "text": f"words {name}", "label": "x", "came": f"2026-05-{day:02d}T00:00:00Z"}).encode()
        + b"\n"
        for name, day in rows
    )


def test_new_rows_are_read_of_the_commit_that_they_were_counted_in(hub: type[Hub], tmp_path: Path) -> None:
    source = source_of(HuggingFaceSettings(name="org/rows", columns={"id": "id", "arrived": "came"}))
    until = datetime(2026, 6, 1, tzinfo=UTC)
    hub.rows = {
        "a" * 40: lines(("1", 1), ("2", 2)),
        "b" * 40: lines(("2", 2), ("late", 1), ("3", 3)),
        "c" * 40: lines(("3", 3), ("late", 1), ("2", 2)),
    }
    hub.commits = {"org/rows": "a" * 40}
    found = source.find_new(PartOfSource(until=until, lag="1d"))
    assert (found.new, found.part.revision) == (2, "a" * 40)
    hub.commits = {"org/rows": "b" * 40}
    dataset = source.read_new(found.part, tmp_path / "first")
    assert dataset.manifest.source == found.identity
    assert [row["id"] for row in rows_of(dataset.shards)] == ["1", "2"]

    since = coverage_after(dataset, found.part, None)
    found = source.find_new(PartOfSource(since=since, until=until, lag="1d"))
    assert found.new == 2
    dataset = source.read_new(found.part, tmp_path / "second")
    assert [row["id"] for row in rows_of(dataset.shards)] == ["late", "3"]
    hub.commits = {"org/rows": "c" * 40}
    since = coverage_after(dataset, found.part, None)
    assert source.find_new(PartOfSource(since=since, until=until, lag="1d")).new == 0


def test_a_folder_like_a_data_set_whose_rows_changed_since_they_were_counted_tells_it(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(lines(("1", 1)))
    source = source_of(HuggingFaceSettings(name=str(folder), columns={"id": "id", "arrived": "came"}))
    found = source.find_new(PartOfSource(until=datetime(2026, 6, 1, tzinfo=UTC)))
    same = source.read_new(found.part, tmp_path / "same")
    assert same.manifest.source.fingerprint == found.identity.fingerprint
    (folder / "train.jsonl").write_bytes(lines(("1", 1), ("2", 1)))
    assert source.read_new(found.part, tmp_path / "other").manifest.source.fingerprint != found.identity.fingerprint


def test_new_rows_of_a_data_set_need_columns_that_tell_them() -> None:
    with pytest.raises(InputError, match=r"set source\.columns\.arrived, or data: all"):
        source_of(HuggingFaceSettings(name="org/rows", columns={"id": "id"})).find_new(PartOfSource())
