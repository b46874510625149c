"""The compiled pipelines that ZenML's Vertex orchestrator leaves on this machine; they hold a token for ZenML.

`<ZenML's configuration>/vertex/process-4711/pipelines/training_0a1b….json`: `ZENML_STORE_API_TOKEN` of every task.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.utils.io_utils import get_global_config_directory

from orchestration.replaced import replaced
from orchestration.vertex_runs import FLAVOR

_PREFIX = "process-"


@contextmanager
def removing_specifications() -> Iterator[None]:
    """Has ZenML compile into a folder of this process, which is removed after the block: its files were sent, and
    nobody reads them again. Those of processes that were killed go too; of those that run, none.
    """
    if not _on_vertex():
        yield
        return
    import psutil
    from zenml.integrations.gcp.orchestrators import VertexOrchestrator

    place = Path(get_global_config_directory(), "vertex")
    for folder in place.glob(f"{_PREFIX}[0-9]*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(_PREFIX))):
            shutil.rmtree(folder, ignore_errors=True)
    own = place / f"{_PREFIX}{os.getpid()}"
    try:
        with replaced(VertexOrchestrator, "pipeline_directory", property(lambda _: str(own / "pipelines"))):
            yield
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _on_vertex() -> bool:
    orchestrator = Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0]
    return bool(orchestrator.flavor_name == FLAVOR)
