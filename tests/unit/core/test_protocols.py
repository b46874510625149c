"""What claims to be a task, source, host or mirror is one: mypy checks the assignments, the test their completeness."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from evergreen.adapters import kinds
from evergreen.adapters.bigquery.source import BigQuerySource
from evergreen.adapters.files.source import FilesSource
from evergreen.adapters.huggingface.source import HuggingFaceSource
from evergreen.adapters.huggingface_publish.publisher import HuggingFaceHub
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.adapters.oxford_pets.source import OxfordPetsSource
from evergreen.adapters.shapes.source import ShapesSource
from evergreen.adapters.vertex.host import VertexHost
from evergreen.adapters.vertex.mirror import VertexMirror
from evergreen.core.kinds import Kinds, behaviour, imported
from evergreen.core.protocols import (
    Examinable,
    Host,
    Measurable,
    Mirror,
    Presentable,
    Publisher,
    Servable,
    Source,
    Trainable,
)
from evergreen.tasks import AnyTask
from evergreen.tasks.image_segmentation.examinable import ImageExamination
from evergreen.tasks.image_segmentation.measurable import ImageMeasurement
from evergreen.tasks.image_segmentation.presentable import ImagePresentation
from evergreen.tasks.image_segmentation.servable import ImageServing
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.image_segmentation.trainable import ImageTraining
from evergreen.tasks.text_classification.examinable import TextExamination
from evergreen.tasks.text_classification.measurable import TextMeasurement
from evergreen.tasks.text_classification.presentable import TextPresentation
from evergreen.tasks.text_classification.servable import TextServing
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.trainable import TextTraining

SOURCES: tuple[type[Source], ...] = (FilesSource, HuggingFaceSource, BigQuerySource, ShapesSource, OxfordPetsSource)
EXAMINABLE: tuple[type[Examinable], ...] = (TextExamination, ImageExamination)
TRAINABLE: tuple[type[Trainable], ...] = (TextTraining, ImageTraining)
MEASURABLE: tuple[type[Measurable], ...] = (TextMeasurement, ImageMeasurement)
SERVABLE: tuple[type[Servable], ...] = (TextServing, ImageServing)
PRESENTABLE: tuple[type[Presentable], ...] = (TextPresentation, ImagePresentation)
HOSTS: tuple[type[Host], ...] = (LocalHost, VertexHost)
PUBLISHERS: tuple[type[Publisher], ...] = (HuggingFaceHub,)
MIRRORS: tuple[type[Mirror], ...] = (MlflowMirror, VertexMirror)


def members(union: object) -> set[Any]:
    """The classes of a union, which may be one class alone, annotated or not."""
    inner = get_args(union)
    return (
        set().union(*(members(part) for part in inner if isinstance(part, type) or get_args(part)))
        if inner
        else {union}
    )


@pytest.mark.parametrize(
    ("kinds", "verb", "checked"),
    [
        (kinds.SOURCES, "source", SOURCES),
        (kinds.HOSTS, "hosting", HOSTS),
        (kinds.PUBLISHERS, "publisher", PUBLISHERS),
    ],
    ids=["source", "host", "publisher"],
)
def test_the_behaviour_of_every_kind_is_checked_against_its_protocol(
    kinds: Kinds, verb: str, checked: tuple[type, ...]
) -> None:
    assert {imported(getattr(member, verb)) for member in members(kinds.union)} == set(checked)


def test_every_task_names_the_classes_of_all_verbs() -> None:
    text = TextClassification(encoder="org/model", labels=("a", "b"))
    pictures = ImageSegmentation(labels=("a", "b"))
    verbs = {
        verb: tuple(type(behaviour(task, verb)) for task in (text, pictures))
        for verb in ("examinable", "trainable", "measurable", "servable", "presentable")
    }
    assert list(verbs.values()) == [EXAMINABLE, TRAINABLE, MEASURABLE, SERVABLE, PRESENTABLE]
    assert members(AnyTask) == {type(text), type(pictures)}
