"""The kinds of tasks: those shipped here, and those of installed packages, by entry points of the group below."""

from __future__ import annotations

from evergreen.core.kinds import Kinds

TASKS = Kinds(
    "evergreen.tasks",
    {
        "text_classification": "evergreen.tasks.text_classification.settings:TextClassification",
        "image_segmentation": "evergreen.tasks.image_segmentation.settings:ImageSegmentation",
    },
)
