"""What claims to be a task, source, host or mirror is one: mypy checks the assignments, the test their completeness."""

from __future__ import annotations

from typing import get_args

import pytest

from evergreen.adapters import AnySource
from evergreen.adapters.bigquery import BigQuerySource
from evergreen.adapters.files import FilesSource
from evergreen.adapters.hosts import AnyHost
from evergreen.adapters.huggingface import HuggingFaceSource
from evergreen.adapters.local_endpoint import LocalEndpoint
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.adapters.package import PackageSource
from evergreen.adapters.shapes import ShapesSource
from evergreen.adapters.vertex import VertexEndpoint, VertexMirror
from evergreen.core.protocols import Host, Mirror, Source, Task
from evergreen.tasks import AnyTask
from evergreen.tasks.image_segmentation.task import ImageSegmentation
from evergreen.tasks.text_classification.task import TextClassification

SOURCES: tuple[type[Source], ...] = (
    FilesSource,
    PackageSource,
    HuggingFaceSource,
    BigQuerySource,
    ShapesSource,
)
TASKS: tuple[type[Task], ...] = (TextClassification, ImageSegmentation)
HOSTS: tuple[type[Host], ...] = (LocalEndpoint, VertexEndpoint)
MIRRORS: tuple[type[Mirror], ...] = (MlflowMirror, VertexMirror)


def members(union: object) -> set[object]:
    """The classes of a union, which may be one class alone, annotated or not."""
    inner = get_args(union)
    return set().union(*(members(one) for one in inner if isinstance(one, type) or get_args(one))) if inner else {union}


@pytest.mark.parametrize(
    ("union", "checked"), [(AnySource, SOURCES), (AnyTask, TASKS), (AnyHost, HOSTS)], ids=["source", "task", "host"]
)
def test_every_member_of_a_union_is_checked_against_its_protocol(union: object, checked: tuple[type, ...]) -> None:
    assert members(union) == set(checked)
    assert MIRRORS
