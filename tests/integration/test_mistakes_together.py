"""A configuration's mistakes are told at once: none of them hides one that only several fields say together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.mistakes import ConfigurationError, dotted

pytestmark = pytest.mark.usefixtures("zenml_home")
NOTED = {"kind": "local_endpoint", "port": 0}


def mistakes_of(tmp_path: Path, name: str, **parameters: Any) -> dict[str, str]:
    """The mistakes of a configuration that comes with the project once these parameters are in it, by place."""
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.monitoring import monitoring
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / name).read_text(encoding="utf-8"))
    document["parameters"] |= parameters
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load(path, monitoring if name == "monitor.yaml" else training)
    return {dotted(mistake.path): mistake.message for mistake in refused.value.mistakes}


def test_a_rollout_is_told_all_that_is_wrong_with_it_beside_mistakes_elsewhere(tmp_path: Path) -> None:
    told = mistakes_of(
        tmp_path,
        "local.yaml",
        rollout={"shares": [], "hold_s": 90, "judge": {"min_requests": 0, "max_hold_s": 30}, "shadow": {"shar": 1}},
        approval={"expires": "soon", "expirse": "7d"},
        alerts={"kinds": ["weather"], "cool_down": "never"},
        refresh={"data": "incremental"},
        window={"length": "7d"},
    )
    assert set(told) == {
        "parameters.rollout.judge",
        "parameters.rollout.judge.min_requests",
        "parameters.rollout.judge.max_hold_s",
        "parameters.rollout.shadow.shar",
        "parameters.approval.expires",
        "parameters.approval.expirse",
        "parameters.alerts.kinds[0]",
        "parameters.alerts.cool_down",
        "parameters.refresh",
        "parameters.refresh.data",
        "parameters.window",
    }
    assert "such as shares: [5, 25, 50]" in told["parameters.rollout.judge"]
    assert "give max_hold_s 90 to 86400" in told["parameters.rollout.judge.max_hold_s"]


def test_a_field_that_is_wrong_by_itself_is_not_told_a_second_time(tmp_path: Path) -> None:
    shares = {"shares": [50, 5], "judge": {"max_hold_s": 30}}
    assert set(mistakes_of(tmp_path, "local.yaml", rollout=shares)) == {
        "parameters.rollout.shares",
        "parameters.rollout.judge.max_hold_s",
    }
    held = {"shares": [5], "hold_s": -1, "judge": {"max_hold_s": 30}}
    assert set(mistakes_of(tmp_path, "local.yaml", rollout=held)) == {"parameters.rollout.hold_s"}
    long = {"shares": [1, 5, 10, 25, 50, 75], "hold_s": 86400, "judge": {"max_hold_s": 30}}
    assert set(mistakes_of(tmp_path, "local.yaml", rollout=long)) == {
        "parameters.rollout",
        "parameters.rollout.judge.max_hold_s",
    }


@pytest.mark.parametrize("also", [{}, {"pth": "b"}])
def test_columns_that_tell_which_rows_are_new_are_asked_for_beside_other_mistakes(
    tmp_path: Path, also: dict[str, str]
) -> None:
    source = {"kind": "files", "path": "rows.csv", "columns": {"text": "body", "label": "topic"}, **also}
    told = mistakes_of(
        tmp_path, "local.yaml", source=source, refresh={"data": "incremental", "min_new_rows": 0}, seed="one"
    )
    others = {"parameters.refresh.min_new_rows", "parameters.seed", *(f"parameters.source.{key}" for key in also)}
    assert set(told) == {"parameters.refresh.data", *others}
    assert "set source.columns.arrived and source.columns.id, or data: all" in told["parameters.refresh.data"]


@pytest.mark.parametrize("key", ["window", "windw"])
def test_a_key_that_belongs_beside_the_source_is_told_so(tmp_path: Path, key: str) -> None:
    source = {"kind": "files", "path": "rows.csv", "columns": {"text": "body", "label": "topic"}, key: {"length": "7d"}}
    told = mistakes_of(tmp_path, "local.yaml", source=source)
    place = f"parameters.source.{key}"
    assert told == {place: "unknown key; 'window' belongs beside 'source', as parameters.window"}


def test_labels_and_floors_are_told_with_the_nearest_word_each(tmp_path: Path) -> None:
    told = mistakes_of(
        tmp_path,
        "monitor.yaml",
        host=NOTED,
        drift={"level": 2},
        labels={"kind": "files", "path": "labels.csv", "columns": {"traceid": "request", "label": "category"}},
        quality={"floors": {"acuracy": 0.9, "accuracy": 95, "macrof1": 0.5}},
    )
    assert set(told) == {
        "parameters.drift.level",
        "parameters.labels.columns.traceid",
        "parameters.quality.floors.acuracy",
        "parameters.quality.floors.accuracy",
        "parameters.quality.floors.macrof1",
    }
    assert told["parameters.labels.columns.traceid"] == "unknown key; did you mean 'trace_id'?"
    assert told["parameters.quality.floors.acuracy"] == "unknown metric 'acuracy'; did you mean 'accuracy'?"
    assert told["parameters.quality.floors.accuracy"].startswith("should be less than or equal to 1, got 95")


def test_where_a_field_is_wrong_by_itself_nothing_more_is_said_of_it(tmp_path: Path) -> None:
    floors = mistakes_of(tmp_path, "monitor.yaml", quality={"floors": {"acuracy": 95}})
    assert floors["parameters.quality.floors.acuracy"].startswith("should be less than or equal to 1, got 95")
    elsewhere = {"kind": "vertex_endpoint", "project": "our-project", "region": "europe-west4"}
    elsewhere |= {"staging": "gs://ours/models", "image": "europe-docker.pkg.dev/our-project/own/serving:1"}
    shadow = mistakes_of(tmp_path, "local.yaml", host=elsewhere, rollout={"shares": [5], "shadow": {}})
    assert shadow["parameters.rollout.shadow"].startswith("a host of kind vertex_endpoint copies no requests")
    twice = mistakes_of(tmp_path, "local.yaml", host=elsewhere, rollout={"shares": [5], "shadow": "always"})
    assert "copies no requests" not in twice["parameters.rollout.shadow"]


def test_labels_without_a_request_are_told_beside_the_rest(tmp_path: Path) -> None:
    told = mistakes_of(
        tmp_path,
        "monitor.yaml",
        labels={"kind": "files", "path": "labels.csv", "columns": {"label": "category"}},
        quality={"floors": {"accuracy": 95}},
    )
    assert set(told) == {"parameters.labels", "parameters.quality.floors.accuracy"}
