"""A version published on the box's Hub by the real client, and read back by someone who has a token alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloudbox import environment, faults
from cloudbox.hub.accounts import tokens
from cloudbox.hub.repositories import Repositories, Repository
from evergreen.core.artifacts import TrainedModel
from evergreen.tasks import load_predictor
from tests.published_text import EXAMPLES, prepare
from tests.running_box import REPOSITORY, RunningBox, running_box

SPACE = {"repository": "evergreen/news-demo", "token_env": "READ_TOKEN"}
READ_BACK = """
import json, os
from huggingface_hub import snapshot_download
from transformers import AutoModelForSequenceClassification
folder = snapshot_download("evergreen/news", revision={tag!r}, token={token!r})
AutoModelForSequenceClassification.from_pretrained("evergreen/news", revision={tag!r}, token={token!r})
from evergreen.tasks import load_predictor
one = load_predictor(__import__("pathlib").Path(folder))
print(json.dumps(one.encode(one.predict(one.decode({examples!r})))))
"""


@dataclass(frozen=True)
class Hub:
    """A running Hub, and a trained model to publish there."""

    box: RunningBox
    folder: Path

    @property
    def model(self) -> TrainedModel:
        return TrainedModel.open(self.folder / "model")

    @property
    def tokens(self) -> dict[str, str]:
        return tokens(self.box.box.home)

    def repository(self, name: str, kind: str = "models") -> Repository:
        repository = Repositories(self.box.box.home).find(kind, name)
        assert repository is not None
        return repository

    def publish(
        self,
        stage: str = "live",
        *extra: str,
        token: str | None = None,
        reading: str | None = None,
        **configuration: Any,
    ) -> tuple[int, subprocess.CompletedProcess[str]]:
        given = {"kind": "huggingface_hub", "repository": "evergreen/news", "token_env": "WRITE_TOKEN"} | configuration
        secrets = {"WRITE_TOKEN": token or self.tokens["write"], "READ_TOKEN": reading or self.tokens["read"]}
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.published_text",
                self.folder,
                json.dumps(given),
                stage,
                *extra,
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment.network(self.box.box), **secrets},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert not any(secret in said for secret in [*secrets.values(), *self.tokens.values()])
        return done.returncode, done

    def published(self, stage: str = "live", **configuration: Any) -> dict[str, Any]:
        code, done = self.publish(stage, **configuration)
        assert code == 0, done.stdout + done.stderr
        content: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return content


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("model")
    prepare(folder)
    with running_box(tmp_path_factory.mktemp("hub") / "home", "hub") as box:
        yield Hub(box, folder)


def test_a_published_version_is_read_back_at_its_tag_and_predicts_the_same(hub: Hub) -> None:
    first = hub.published(space=SPACE)
    tag, commits = f"v{hub.model.version}", dict(hub.repository("evergreen/news").commits)
    assert (first["outcome"], first["revision"]) == ("published", tag)
    assert first["url"] == f"{hub.box.box.url('hub')}/evergreen/news/tree/{tag}"
    repository = hub.repository("evergreen/news")
    assert repository.private
    assert repository.tags == {tag: first["commit"]}
    assert repository.branches[f"version-{hub.model.version}"] == first["commit"]
    assert repository.at("main").files == repository.at(tag).files  # what is live is what one gets without a revision
    script = READ_BACK.format(tag=tag, token=hub.tokens["read"], examples=list(EXAMPLES))
    predictor = load_predictor(hub.model.path)
    expected = predictor.encode(predictor.predict(predictor.decode(EXAMPLES)))
    got = json.loads(hub.box.client(f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{script}").splitlines()[-1])
    assert got == expected

    first_secret = dict(hub.repository("evergreen/news-demo", "spaces").secrets)
    again = hub.published(space=SPACE)
    assert again == first | {"outcome": "unchanged", "message": again["message"]}
    assert hub.repository("evergreen/news").commits == commits

    kept_secret = hub.repository("evergreen/news-demo", "spaces").secrets
    assert kept_secret == first_secret  # setting it again would start the Space anew
    code, done = hub.publish(space=SPACE, reading="hf_" + "r" * 34)
    assert (code, json.loads(done.stdout.splitlines()[-1])["outcome"]) == (0, "published")
    assert hub.repository("evergreen/news-demo", "spaces").secrets["HF_TOKEN"] != first_secret["HF_TOKEN"]
    hub.published(space=SPACE)

    space = hub.repository("evergreen/news-demo", "spaces")
    files = space.at("main").files
    assert space.private
    assert list(space.secrets) == ["HF_TOKEN"]
    assert {"app.py", "requirements.txt", "README.md", "examples.json", "evergreen/demo/app.py"} <= files.keys()
    app = (hub.box.home / "hub" / "objects" / files["app.py"].sha256).read_text()
    assert f'published_model("evergreen/news", "{tag}")' in app
    kept = [path.read_bytes() for path in hub.box.home.rglob("*") if path.is_file() and path.name != "tokens.json"]
    assert not any(token.encode() in content for content in kept for token in hub.tokens.values())


def test_a_publication_that_was_cut_off_before_its_tag_is_completed(hub: Hub) -> None:
    code, _ = hub.publish("live", "tag", repository="evergreen/cut")
    assert code == 9
    repository = hub.repository("evergreen/cut")
    assert f"version-{hub.model.version}" in repository.branches
    assert repository.tags == {}
    done = hub.published(repository="evergreen/cut")
    repository = hub.repository("evergreen/cut")
    assert repository.tags == {f"v{hub.model.version}": done["commit"]}
    assert [commit.title for commit in repository.history(f"version-{hub.model.version}")] == [
        f"Version {hub.model.version}",
        "initial commit",
    ]


def test_a_busy_hub_is_asked_again_and_an_answer_that_is_lost_makes_no_second_commit(hub: Hub) -> None:
    faults.add(hub.box.box.home, faults.Fault(kind="error", target="ListRefs", times=1))
    faults.add(hub.box.box.home, faults.Fault(kind="answer-lost", target="Commit", times=1))
    hub.published(repository="evergreen/busy")
    titles = [commit.title for commit in hub.repository("evergreen/busy").history(f"version-{hub.model.version}")]
    assert titles == [f"Version {hub.model.version}", "initial commit"]


def test_a_candidate_is_published_privately_and_main_follows_only_once_it_is_live(hub: Hub) -> None:
    candidate = hub.published("candidate", repository="evergreen/review", when="candidate")
    repository = hub.repository("evergreen/review")
    assert repository.private
    assert list(repository.at("main").files) == [".gitattributes"]
    assert "model.safetensors" in repository.at(f"v{hub.model.version}").files

    live = hub.published("live", repository="evergreen/review", when="candidate")
    repository = hub.repository("evergreen/review")
    assert (live["outcome"], live["commit"]) == ("published", candidate["commit"])
    assert repository.at("main").files == repository.at(f"v{hub.model.version}").files


def test_a_token_that_may_not_write_is_told_in_one_line_and_nothing_is_made(hub: Hub) -> None:
    for token, said in (
        ("hf_unknown", "does not know the token in WRITE_TOKEN"),
        (hub.tokens["read"], "the token in WRITE_TOKEN may not write to evergreen/refused (403)"),
    ):
        code, done = hub.publish(repository="evergreen/refused", token=token)
        assert code == 2
        assert said in done.stdout
        assert len(done.stdout.splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert Repositories(hub.box.box.home).find("models", "evergreen/refused") is None


def test_a_token_is_read_without_the_end_of_its_file_and_never_shown_when_it_is_none(hub: Hub) -> None:
    code, done = hub.publish(repository="evergreen/from-a-file", token=hub.tokens["write"] + "\n")
    assert code == 0, done.stdout
    two = "hf_one\nhf_other"
    code, done = hub.publish(repository="evergreen/none", token=two)
    assert code == 2
    assert "WRITE_TOKEN holds more than a token" in done.stdout
    assert not any(secret in done.stdout + done.stderr for secret in two.splitlines())


def test_what_should_be_private_goes_to_no_repository_that_everybody_sees(hub: Hub) -> None:
    hub.published(repository="evergreen/open", private=False)
    files = hub.repository("evergreen/open").at("main").files
    code, done = hub.publish("candidate", repository="evergreen/open", when="candidate")
    assert code == 2
    assert "model evergreen/open exists and everybody sees it" in done.stdout
    assert hub.repository("evergreen/open").at("main").files == files


def test_a_dry_run_sends_nothing(hub: Hub) -> None:
    said = hub.published(repository="evergreen/dry", dry_run=True)
    assert said["outcome"] == "planned"
    assert Repositories(hub.box.box.home).find("models", "evergreen/dry") is None
