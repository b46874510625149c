"""What readers of a published segmentation model are told of it, and how a person tries it in a browser.

A picture comes back under the colours of its mask.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.colours import colour_of
from evergreen.core.publication import ModelDescription
from evergreen.data.pictures import Pixels, decode_mask, decode_picture
from evergreen.tasks.image_segmentation.servable import instance_of
from evergreen.tasks.image_segmentation.settings import OWN_NETWORKS, ImageSegmentation

Annotated = tuple[Pixels, list[tuple[npt.NDArray[np.float32], str]]]
"""A picture, and a (height, width) array of 0 and 1 with its name for each class that it holds."""


class ImagePresentation:
    """Shows segmentation models to others."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task

    def describe(self) -> ModelDescription:
        """What readers of a published model are told of it."""
        side = self._task.image_size
        return ModelDescription(
            pipeline_tag="image-segmentation",
            library="evergreen" if self._task.architecture in OWN_NETWORKS else "transformers",
            origin=f"Trained from {f'the encoder `{self._task.encoder}`' if self._task.encoder else 'random weights'}",
            intended_use=f"Gives each pixel of a picture one of the labels {', '.join(self._task.labels)}.",
            limits=(
                f"A picture is looked at in {side} × {side} pixels, whatever its size and shape: "
                "what is thinner than a pixel of that is not seen.",
                "Every pixel gets one of the labels, also in pictures unlike those trained on.",
            ),
        )

    def demo(self) -> ImageDemo:
        """A picture, and the same picture under the colours of its mask."""
        return ImageDemo(self._task.labels)


class ImageDemo:
    """A picture to upload, and the same picture with each class in the colour that pages and overlays give it."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels

    def input(self) -> Any:
        """A picture from a file; its bytes reach the model as they are."""
        import gradio

        return gradio.Image(label="Picture", type="filepath", image_mode=None, sources=["upload", "clipboard"])

    def output(self) -> Any:
        """The picture with a legend of its classes."""
        import gradio

        colours = {label: colour_of(number) for number, label in enumerate(self._labels)}
        return gradio.AnnotatedImage(label="Classes", color_map=colours, format="png")

    def value(self, instance: Mapping[str, Any]) -> Any:
        """The picture of an instance: (height, width, 3)."""
        return decode_picture(base64.b64decode(instance["image"]))

    def instance(self, value: str | None) -> dict[str, Any]:
        """The file's bytes as a client sends them; of no file an instance that the model refuses in its own words."""
        return instance_of(Path(value).read_bytes()) if value else {}

    def shown(self, value: str, prediction: Mapping[str, Any]) -> Annotated:
        """The picture, and where each class is."""
        picture = decode_picture(Path(value).read_bytes())
        mask = decode_mask(base64.b64decode(prediction["mask"]))
        present = [(number, label) for number, label in enumerate(self._labels) if (mask == number).any()]
        return picture, [((mask == number).astype(np.float32), label) for number, label in present]
