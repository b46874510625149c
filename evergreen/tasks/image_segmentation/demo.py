"""How a person tries a segmentation model in a browser: a picture comes back under the colours of its mask."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.colours import colour_of
from evergreen.data.pictures import Pixels, decode_mask, decode_picture
from evergreen.tasks.image_segmentation.predict import instance_of

Annotated = tuple[Pixels, list[tuple[npt.NDArray[np.float32], str]]]
"""A picture, and a (height, width) array of 0 and 1 with its name for each class that it holds."""


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
