"""The real `huggingface_hub` client against the box's Hub: repositories, commits, branches, tags, downloads, refusals.

The client reads its endpoint when it is imported, so every test asks through a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from cloudbox import faults
from cloudbox.hub.accounts import tokens
from tests.running_box import RunningBox, running_box
from tests.waiting import wait_until

PREPARE = """
import os, sys, warnings
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import *
WRITE, READ = {write!r}, {read!r}
api = HfApi(token=WRITE)
def refusal(call):
    try:
        call()
    except HfHubHTTPError as error:
        return type(error).__name__, error.response.status_code
    return "no refusal"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with running_box(tmp_path_factory.mktemp("hub") / "home", "hub") as box:
        yield box


def ask(box: RunningBox, script: str) -> list[str]:
    return box.client(PREPARE.format(**tokens(box.box.home)) + script).splitlines()


def test_a_commit_with_small_and_large_files_comes_back_by_branch_tag_and_commit(hub: RunningBox) -> None:
    lines = ask(
        hub,
        """
url = api.create_repo("evergreen/news", private=True)
weights = os.urandom(3_000_000)
files = {"model.safetensors": weights, "empty": b"", "a/b/c.txt": b"deep"}
files["README.md"] = b"---\\nlicense: mit\\n---\\n# News\\n"
made = api.create_commit(
    "evergreen/news", [CommitOperationAdd(name, content) for name, content in files.items()], commit_message="Add"
)
api.create_branch("evergreen/news", branch="v1", revision=made.oid)
api.create_tag("evergreen/news", tag="v1.0", revision="v1")
print(url, len(made.oid))
print(sorted(api.list_repo_files("evergreen/news", revision="v1.0")))
for revision in ("main", "v1", "v1.0", made.oid):
    folder = api.snapshot_download("evergreen/news", revision=revision)
    for name, content in files.items():
        assert open(os.path.join(folder, name), "rb").read() == content, name
refs = api.list_repo_refs("evergreen/news")
branches, tags = [branch.name for branch in refs.branches], [tag.name for tag in refs.tags]
print(branches, tags, refs.tags[0].target_commit == made.oid)
info = api.model_info("evergreen/news", revision="v1", files_metadata=True)
large = next(file for file in info.siblings if file.rfilename == "model.safetensors")
print(info.private, info.sha == made.oid, large.size, large.lfs.sha256 is not None)
print([commit.title for commit in api.list_repo_commits("evergreen/news")])
print([entry.path for entry in api.list_repo_tree("evergreen/news")])
print([entry.path for entry in api.list_repo_tree("evergreen/news", "a", recursive=True)])
print([entry.size for entry in api.get_paths_info("evergreen/news", ["a/b/c.txt", "none"])])
""",
    )
    assert lines == [
        f"{hub.box.url('hub')}/evergreen/news 40",
        "['.gitattributes', 'README.md', 'a/b/c.txt', 'empty', 'model.safetensors']",
        "['main', 'v1'] ['v1.0'] True",
        "True True 3000000 True",
        "['Add', 'initial commit']",
        "['.gitattributes', 'README.md', 'a', 'empty', 'model.safetensors']",
        "['a/b', 'a/b/c.txt']",
        "[4]",
    ]


def test_equal_content_is_not_committed_again_and_what_is_deleted_is_gone(hub: RunningBox) -> None:
    lines = ask(
        hub,
        """
api.create_repo("evergreen/twice")
def add():
    operations = [CommitOperationAdd("w.safetensors", b"w" * 100), CommitOperationAdd("t/a.txt", b"text")]
    return api.create_commit("evergreen/twice", operations, commit_message="Add")
print(add().oid == add().oid, len(api.list_repo_commits("evergreen/twice")))
api.create_commit("evergreen/twice", [CommitOperationDelete("t/")], commit_message="Delete")
print(api.list_repo_files("evergreen/twice"))
late = lambda: api.create_commit(
    "evergreen/twice", [CommitOperationAdd("n", b"n")], commit_message="Late", parent_commit="0" * 40
)
print(refusal(late))
api.create_branch("evergreen/twice", branch="x"); api.create_tag("evergreen/twice", tag="x1")
print(refusal(lambda: api.create_branch("evergreen/twice", branch="x")))
print(refusal(lambda: api.create_tag("evergreen/twice", tag="x1")))
api.delete_branch("evergreen/twice", branch="x"); api.delete_tag("evergreen/twice", tag="x1")
refs = api.list_repo_refs("evergreen/twice")
print([branch.name for branch in refs.branches], refs.tags)
api.delete_repo("evergreen/twice")
print(api.repo_exists("evergreen/twice"))
""",
    )
    assert lines == [
        "True 2",
        "['.gitattributes', 'w.safetensors']",
        "('HfHubHTTPError', 412)",
        "('HfHubHTTPError', 409)",
        "('HfHubHTTPError', 409)",
        "['main'] []",
        "False",
    ]


def test_who_may_do_what_is_said_as_the_hub_says_it(hub: RunningBox) -> None:
    lines = ask(
        hub,
        """
api.create_repo("evergreen/secret", private=True)
api.create_repo("cloudbox/open")
print(api.whoami()["name"], api.whoami()["auth"]["accessToken"]["role"], HfApi(token=READ).whoami()["orgs"][0]["name"])
reader, nobody, liar = HfApi(token=READ), HfApi(token=False), HfApi(token="hf_of_another_hub")
print(reader.model_info("evergreen/secret").id, nobody.model_info("cloudbox/open").id)
print(refusal(lambda: nobody.model_info("evergreen/secret")), refusal(lambda: nobody.model_info("evergreen/none")))
print(refusal(lambda: nobody.hf_hub_download("evergreen/secret", ".gitattributes")))
print(refusal(lambda: reader.model_info("evergreen/none")), refusal(liar.whoami))
print(refusal(lambda: liar.model_info("cloudbox/open")))
print(refusal(lambda: reader.create_repo("evergreen/mine")), refusal(lambda: api.create_repo("google/mine")))
print(refusal(lambda: reader.auth_check("evergreen/secret", write=True)))
print(api.auth_check("evergreen/secret", write=True))
print(refusal(lambda: api.create_repo("evergreen/secret")), api.create_repo("evergreen/secret", exist_ok=True).repo_id)
print(refusal(lambda: api.model_info("evergreen/secret", revision="v9")))
print(refusal(lambda: api.hf_hub_download("evergreen/secret", "none.txt")))
add = [CommitOperationAdd("a", b"a")]
print(refusal(lambda: api.create_commit("evergreen/secret", add, commit_message="a", revision="v9")))
""",
    )
    assert lines == [
        "cloudbox write evergreen",
        "evergreen/secret cloudbox/open",
        "('RepositoryNotFoundError', 401) ('RepositoryNotFoundError', 401)",
        "('RepositoryNotFoundError', 401)",
        "('RepositoryNotFoundError', 404) ('HfHubHTTPError', 401)",
        "('HfHubHTTPError', 401)",
        "('HfHubHTTPError', 403) ('HfHubHTTPError', 403)",
        "('HfHubHTTPError', 403)",
        "None",
        "('HfHubHTTPError', 409) evergreen/secret",
        "('RevisionNotFoundError', 404)",
        "('RemoteEntryNotFoundError', 404)",
        "('RevisionNotFoundError', 404)",
    ]


def test_a_space_is_a_repository_beside_the_model_of_the_same_name(hub: RunningBox) -> None:
    lines = ask(
        hub,
        """
secret = [{"key": "HF_TOKEN", "value": "hf_for_the_space"}]
api.create_repo("evergreen/demo", repo_type="space", space_sdk="gradio", private=True, space_secrets=secret)
api.add_space_secret("evergreen/demo", "OTHER", "hf_other")
api.upload_file(path_or_fileobj=b"app", path_in_repo="app.py", repo_id="evergreen/demo", repo_type="space")
info = api.space_info("evergreen/demo")
print(info.sdk, info.private, api.repo_exists("evergreen/demo"))
print(open(api.hf_hub_download("evergreen/demo", "app.py", repo_type="space")).read())
api.update_repo_settings("evergreen/demo", repo_type="space", private=False)
print(HfApi(token=False).space_info("evergreen/demo").private)
""",
    )
    assert lines == ["gradio True False", "app", "False"]
    kept = "".join(path.read_text(errors="replace") for path in (hub.home / "hub").rglob("*.json"))
    assert '"HF_TOKEN"' in kept
    assert "hf_for_the_space" not in kept
    assert "hf_other" not in kept


def test_a_repository_outlives_the_service_and_its_files_are_its_owners_alone(hub: RunningBox) -> None:
    ask(hub, """api.create_repo("evergreen/kept"); api.create_tag("evergreen/kept", tag="v1")""")
    killed = hub.pids()["hub"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: hub.pids()["hub"] not in {None, killed}, timeout_s=10)
    hub.wait_for("hub")
    assert ask(hub, """print(api.list_repo_refs("evergreen/kept").tags[0].name)""") == ["v1"]
    assert (hub.home / "hub" / "tokens.json").stat().st_mode & 0o777 == 0o600
    logs = "".join(path.read_text() for path in (hub.home / "logs").iterdir())
    assert not any(token in logs for token in tokens(hub.box.home).values())


def test_a_fault_on_demand_reaches_the_client_and_an_unknown_address_is_refused_by_name(hub: RunningBox) -> None:
    faults.add(hub.box.home, faults.Fault(kind="error", target="ListRefs", times=1))
    lines = ask(
        hub,
        """
api.create_repo("evergreen/faulty")
print(refusal(lambda: api.list_repo_refs("evergreen/faulty")), len(api.list_repo_refs("evergreen/faulty").branches))
print(refusal(lambda: api.list_repo_likers("evergreen/faulty").__next__()))
""",
    )
    assert lines == ["('HfHubHTTPError', 503) 1", "('HfHubHTTPError', 501)"]
    assert "hub GET /api/models/evergreen/faulty/likers" in hub.refused()


def test_a_signed_address_opens_one_object_for_one_purpose(hub: RunningBox) -> None:
    lines = ask(
        hub,
        """
import json
from huggingface_hub.utils import build_hf_headers, get_session
api.create_repo("evergreen/signed")
api.upload_file(path_or_fileobj=b"weights", path_in_repo="m.safetensors", repo_id="evergreen/signed")
url = f"{api.endpoint}/evergreen/signed/resolve/main/m.safetensors"
place = get_session().get(url, headers=build_hf_headers(token=READ), follow_redirects=False).headers["Location"]
ask = lambda method, url, **more: get_session().request(method, url, **more).status_code
part = get_session().get(place, headers={"Range": "bytes=2-4"})
print(json.dumps([ask("GET", place), ask("PUT", place, content=b"x"), ask("GET", place[:-1] + "x"), part.text]))
""",
    )
    assert json.loads(lines[0]) == [200, 403, 403, "igh"]
