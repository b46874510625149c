"""Where the step `publish` stands in the pipeline of a configuration, and what a dry run says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from zenml.client import Client

from evergreen.core.errors import InputError
from orchestration.configuration import CONFIGS_DIRECTORY, load

pytestmark = pytest.mark.usefixtures("zenml_home")


def written(folder: Path, publish: dict[str, Any] | None) -> Path:
    """`local.yaml` with a publisher, for the default stack."""
    content = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    content["extra"]["stacks"] = ["default"]
    content.pop("settings", None)
    if publish is not None:
        content["parameters"]["publish"] = {"kind": "huggingface_hub", "repository": "org/news", **publish}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("publish", "behind"),
    [
        (None, {"deploy": ["promote"]}),
        ({}, {"deploy": ["promote"], "publish": ["deploy", "identify", "promote"]}),
        (
            {"when": "candidate"},
            {
                "review": ["identify", "promote"],
                "deploy": ["promote", "review"],
                "publish": ["deploy", "identify", "promote"],
            },
        ),
    ],
)
def test_publishing_comes_after_the_rollout_or_for_review_before_it(
    tmp_path: Path, publish: dict[str, Any] | None, behind: dict[str, list[str]]
) -> None:
    from pipelines.training import training

    path = written(tmp_path, publish)
    pipeline = training.with_options(**load(path, training).options())
    pipeline.prepare()
    upstream = {name: sorted(invocation.upstream_steps) for name, invocation in pipeline.invocations.items()}
    assert {name: upstream[name] for name in ("review", "deploy", "publish") if name in upstream} == behind


def test_tokens_that_cannot_be_had_are_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.project import open_project
    from commands.readiness import check_secrets

    monkeypatch.delenv("HF_TOKEN", raising=False)
    path = written(tmp_path, {})
    with pytest.raises(InputError, match=r"HF_TOKEN is not set, which parameters\.publish names; export it, or"):
        check_secrets(open_project(str(path), None))
    path.write_text(path.read_text(encoding="utf-8") + "secrets: [huggingfac]\n", encoding="utf-8")
    with pytest.raises(InputError, match="ZenML has no secret 'huggingfac', which `secrets:` lists; zenml secret"):
        check_secrets(open_project(str(path), None))
    Client().create_secret("huggingfac", {"HF_TOKEN": "hf_tried"})
    check_secrets(open_project(str(path), None))
    check_secrets(open_project(str(written(tmp_path, {"dry_run": True})), None))


def test_a_dry_run_says_what_would_be_published_in_which_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands import run
    from commands.parser import parse

    path = written(tmp_path, {"when": "candidate"})
    assert run.main(parse(["--config", str(path), "--dry-run"])) == 0
    said = capsys.readouterr().out
    assert "promote → review → deploy → publish" in said
    assert (
        "publish     Hugging Face Hub: the version before its rollout, for review, and as main once it is live" in said
    )
    assert "to org/news (private)" in said
