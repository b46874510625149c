"""A compiled pipeline where ZenML's Vertex orchestrator puts its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from zenml.integrations.gcp.orchestrators import VertexOrchestrator


def write_compiled() -> Path:
    """The file, just written."""
    orchestrator: Any = SimpleNamespace(id=UUID(int=7))
    orchestrator.root_directory = VertexOrchestrator.root_directory.fget(orchestrator)  # type: ignore[attr-defined]
    folder = Path(VertexOrchestrator.pipeline_directory.fget(orchestrator))  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "training_7e7e.json"
    file.write_text("{}", encoding="utf-8")
    return file
