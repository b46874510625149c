"""What claims to be a task, source, host or mirror is one: mypy checks the assignments, the test their completeness."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from evergreen.adapters import hosts, publishers, sources
from evergreen.adapters.bigquery.source import BigQuerySource
from evergreen.adapters.files.source import FilesSource
from evergreen.adapters.huggingface.source import HuggingFaceSource
from evergreen.adapters.huggingface_publish.publisher import HuggingFaceHub
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.adapters.shapes.source import ShapesSource
from evergreen.adapters.vertex.host import VertexHost
from evergreen.adapters.vertex.mirror import VertexMirror
from evergreen.core.kinds import Kinds, imported
from evergreen.core.protocols import Host, Mirror, Publisher, Source, Task
from evergreen.tasks import AnyTask
from evergreen.tasks.image_segmentation.task import ImageSegmentation
from evergreen.tasks.text_classification.task import TextClassification

SOURCES: tuple[type[Source], ...] = (FilesSource, HuggingFaceSource, BigQuerySource, ShapesSource)
TASKS: tuple[type[Task], ...] = (TextClassification, ImageSegmentation)
HOSTS: tuple[type[Host], ...] = (LocalHost, VertexHost)
PUBLISHERS: tuple[type[Publisher], ...] = (HuggingFaceHub,)
MIRRORS: tuple[type[Mirror], ...] = (MlflowMirror, VertexMirror)


def members(union: object) -> set[Any]:
    """The classes of a union, which may be one class alone, annotated or not."""
    inner = get_args(union)
    return set().union(*(members(one) for one in inner if isinstance(one, type) or get_args(one))) if inner else {union}


@pytest.mark.parametrize(("union", "checked"), [(AnyTask, TASKS)], ids=["task"])
def test_every_member_of_a_union_is_checked_against_its_protocol(union: object, checked: tuple[type, ...]) -> None:
    assert members(union) == set(checked)
    assert MIRRORS


@pytest.mark.parametrize(
    ("kinds", "verb", "checked"),
    [
        (sources.SOURCES, "source", SOURCES),
        (hosts.HOSTS, "hosting", HOSTS),
        (publishers.PUBLISHERS, "publisher", PUBLISHERS),
    ],
    ids=["source", "host", "publisher"],
)
def test_the_behaviour_of_every_kind_is_checked_against_its_protocol(
    kinds: Kinds, verb: str, checked: tuple[type, ...]
) -> None:
    assert {imported(getattr(one, verb)) for one in members(kinds.union)} == set(checked)
