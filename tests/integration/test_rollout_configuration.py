"""What a configuration asks of a rollout, against what its host can do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evergreen.core.errors import InputError
from evergreen.core.shadow import Shadow

pytestmark = pytest.mark.usefixtures("zenml_home")

VERTEX = {
    "kind": "vertex_endpoint",
    "project": "my-project",
    "region": "europe-west4",
    "staging": "gs://my-bucket/models",
    "image": "europe-west4-docker.pkg.dev/my-project/evergreen/serving:1.0",
}


def test_copies_of_requests_are_for_hosts_that_make_them(tmp_path: Path) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"]["rollout"] = {"shares": [10], "shadow": {"share": 0.1}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert load(path, training).parameters.rollout.shadow == Shadow(share=0.1)
    document["parameters"]["host"] = VERTEX
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"parameters\.rollout\.shadow.*vertex_endpoint copies no requests"):
        load(path, training)


@pytest.mark.parametrize(
    ("rollout", "told"),
    [
        ({"shares": [], "judge": {"min_requests": 100}}, r"rollout\.judge: a judge is given and shares is \[\]"),
        ({"shares": [5], "judge": {"max_hold_s": 30}}, r"judge\.max_hold_s: 30 s is shorter than hold_s, 60 s"),
    ],
)
def test_a_judge_that_would_never_count_is_refused(tmp_path: Path, rollout: dict[str, object], told: str) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"]["rollout"] = rollout
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load(path, training)


def test_words_in_quotes_are_no_booleans_wherever_they_stand(tmp_path: Path) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"] |= {"deploy": "no", "refresh": {"on_code": "yes"}}
    document |= {"enable_cache": "off", "settings": {"docker": {"install_stack_requirements": "no"}}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load(path, training)
    for told in (
        "parameters.deploy: should be true or false, got 'no'; remove the quotes",
        "parameters.refresh.on_code: should be true or false, got 'yes'; remove the quotes",
        "enable_cache: should be true or false, got 'off'; remove the quotes",
        "settings.docker.install_stack_requirements: should be true or false, got 'no'; remove the quotes",
    ):
        assert told in str(refused.value)
