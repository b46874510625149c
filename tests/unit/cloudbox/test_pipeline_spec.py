"""Which compiled pipelines the box takes: those that KFP's own messages can hold."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloudbox.errors import ApiError
from cloudbox.vertex.pipeline_spec import tasks_of

CONTAINER = {"image": "steps", "command": ["python"], "env": [{"name": "A", "value": "1"}]}
SPEC: dict[str, Any] = {
    "pipelineInfo": {"name": "training"},
    "root": {
        "dag": {
            "tasks": {
                "train": {"componentRef": {"name": "comp-train"}, "retryPolicy": {"maxRetryCount": 2.0}}  # as a Struct
            }
        }
    },
    "components": {"comp-train": {"executorLabel": "exec-train"}},
    "deploymentSpec": {"executors": {"exec-train": {"container": CONTAINER}}},
    "schemaVersion": "2.1.0",
}


def changed(*path: str, **fields: Any) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    place: Any = spec
    for name in path:
        place = place[name]
    place |= fields
    return spec


def test_what_kfp_compiles_is_taken() -> None:
    (task,) = tasks_of(SPEC)
    assert (task.name, task.container, task.retries) == ("train", CONTAINER, 2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (changed(schemaVerion="2.1.0"), 'no field named "schemaVerion"'),
        (changed("root", "dag", "tasks", "train", dependsOn=["split"]), 'no field named "dependsOn"'),
        (changed("root", "dag", "tasks", "train", dependentTasks="split"), "dependentTasks"),
        (changed("deploymentSpec", "executors", "exec-train", "container", environment=[]), '"environment"'),
        (changed("deploymentSpec", "executors", "exec-train", "container", command="python"), "command"),
    ],
)
def test_a_field_that_kfp_does_not_have_or_of_another_type_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        tasks_of(spec)
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert refused.value.message.startswith("Invalid pipeline spec: ")
