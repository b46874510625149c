"""What a process loads that serves a model, or reads a configuration: no more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

TASKS = ("text_classification", "image_segmentation")
PIPELINE = {"zenml", "google", "sklearn", "pyarrow", "duckdb", "mlflow", "gcsfs", "datasets", "evaluate"}
"""What trains, evaluates, stores and records."""
NETWORKS = {"torch", "transformers", "PIL"}
"""What servers load while their port answers 503 already, by functions."""


def loaded_by(code: str) -> set[str]:
    """The modules that a process loads for the code, and the packages that they are of."""
    script = f"import sys\nbefore = {{*sys.modules}}\n{code}\nprint(*sys.modules.keys() - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    return {*modules, *(name.partition(".")[0] for name in modules)}


@pytest.mark.parametrize("kind", TASKS)
def test_a_server_loads_neither_the_pipeline_nor_the_other_task(kind: str) -> None:
    served = f"evergreen.tasks.{kind}.servable"
    loaded = loaded_by(f"import evergreen.serving.__main__, evergreen.serving.app, evergreen.tasks, {served}")
    assert served in loaded
    assert not (PIPELINE | NETWORKS) & loaded
    (other,) = set(TASKS) - {kind}
    assert not [name for name in loaded if name.startswith(f"evergreen.tasks.{other}")]


def test_a_configurations_fields_load_no_behaviour() -> None:
    loaded = loaded_by("from evergreen.tasks import AnyTask")
    assert not (PIPELINE | NETWORKS) & loaded
    verbs = ("examinable", "trainable", "measurable", "servable", "presentable")
    assert not [name for name in loaded if name.endswith(verbs)]
    assert {f"evergreen.tasks.{kind}.settings" for kind in TASKS} <= loaded
