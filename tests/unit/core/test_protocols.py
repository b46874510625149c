"""What claims to be a task, source, host or mirror is one: mypy checks the assignments, the test their completeness."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from evergreen.adapters.bigquery.source import BigQuerySource
from evergreen.adapters.files.source import FilesSource
from evergreen.adapters.hosts import AnyHost
from evergreen.adapters.huggingface.source import HuggingFaceSource
from evergreen.adapters.local_endpoint import LocalEndpoint
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.adapters.shapes.source import ShapesSource
from evergreen.adapters.sources import AnySource
from evergreen.adapters.vertex import VertexEndpoint, VertexMirror
from evergreen.core.kinds import imported
from evergreen.core.protocols import Host, Mirror, Source, Task
from evergreen.tasks import AnyTask
from evergreen.tasks.image_segmentation.task import ImageSegmentation
from evergreen.tasks.text_classification.task import TextClassification

SOURCES: tuple[type[Source], ...] = (FilesSource, HuggingFaceSource, BigQuerySource, ShapesSource)
TASKS: tuple[type[Task], ...] = (TextClassification, ImageSegmentation)
HOSTS: tuple[type[Host], ...] = (LocalEndpoint, VertexEndpoint)
MIRRORS: tuple[type[Mirror], ...] = (MlflowMirror, VertexMirror)


def members(union: object) -> set[Any]:
    """The classes of a union, which may be one class alone, annotated or not."""
    inner = get_args(union)
    return set().union(*(members(one) for one in inner if isinstance(one, type) or get_args(one))) if inner else {union}


@pytest.mark.parametrize(("union", "checked"), [(AnyTask, TASKS), (AnyHost, HOSTS)], ids=["task", "host"])
def test_every_member_of_a_union_is_checked_against_its_protocol(union: object, checked: tuple[type, ...]) -> None:
    assert members(union) == set(checked)
    assert MIRRORS


def test_every_kind_of_source_names_a_source_that_is_checked_against_its_protocol() -> None:
    assert {imported(str(member.source)) for member in members(AnySource)} == set(SOURCES)
