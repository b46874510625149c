"""A loaded segmentation model: what the server, the evaluation and batch prediction share.

[{"image": "iVBORw0…"}] → [(375, 500, 3) uint8] → [(375, 500) uint8]
→ [{"mask": "iVBORw0…", "width": 500, "height": 375, "shares": {"cat": 0.3, …}}]
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evergreen.core.artifacts import Splits
from evergreen.core.engines import EngineGraph, Engines, EngineVariant
from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError
from evergreen.core.limits import MAX_BODY_BYTES
from evergreen.core.observation import Observation
from evergreen.core.predictors import Interface, Shape, shaping_of
from evergreen.core.protocols import Fetch
from evergreen.core.quoting import cut, excerpt, excerpts, kind
from evergreen.data.pictures import PICTURE_FORMATS, PictureError, Pixels, decode_picture, encode_png
from evergreen.engines.session import Graph
from evergreen.tasks.image_segmentation.answering import PictureNetwork, TorchPictureNetwork
from evergreen.tasks.image_segmentation.class_graph import CLASSES_FILE
from evergreen.tasks.image_segmentation.images import encode_jpeg, resize_picture
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.onnx_network import OnnxPictureNetwork
from evergreen.tasks.image_segmentation.outputs import PictureOutputs, observations, shares_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.libraries import to_serve

BUCKET_SCHEME = "gs://"
EXAMPLE_SIDE_PX = 96
"""Examples are kept in the record and printed: a few thousand characters each."""
PIXELS_OF_A_REQUEST = 4
"""A request may hold as many pixels as so many of the largest pictures."""
WARM_UP_SIDES_PX = (64, 256)
_EXPECTED = 'expected {"image": "<PNG or JPEG in base64, or gs://bucket/file>"}'


class ImageServing:
    """Loads segmentation models, and makes what they are asked."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> ImagePredictor:
        """A predictor of the model in a trained-model directory; `fetch` reads pictures in buckets.

        Raises:
            InputError: no usable model there.
        """
        import torch

        network = ARCHITECTURES[self._task.architecture].load(model_dir).eval().requires_grad_(requires_grad=False)
        return self.predictor(to_serve(network).to(memory_format=torch.channels_last), fetch)

    def load_engine(self, model_dir: Path, engine: EngineGraph, fetch: Fetch | None = None) -> ImagePredictor:  # noqa: ARG002 - the graphs hold all
        """The same by a graph, and one that brings its answers to size, without torch.

        Raises:
            InputError: one of the two cannot be run.
        """
        classes = Graph(engine.engines.path / CLASSES_FILE, engine.threads)
        graph = Graph(engine.path, engine.threads)
        return self._of(OnnxPictureNetwork(graph, classes, engine.variant, self._task.image_size), fetch)

    def predictor(self, network: Any, fetch: Fetch | None = None) -> ImagePredictor:
        """A predictor of a network of this configuration."""
        architecture = ARCHITECTURES[self._task.architecture]
        return self._of(TorchPictureNetwork(network, architecture, self._task.image_size), fetch)

    def _of(self, network: PictureNetwork, fetch: Fetch | None) -> ImagePredictor:
        return ImagePredictor(
            network,
            labels=self._task.labels,
            max_pixels=self._task.max_picture_pixels,
            fetch=fetch,
        )

    def examples(self, splits: Splits, count: int = 3) -> list[dict[str, str]]:
        """The first `count` pictures of the test split, as a client would send them: small JPEGs."""
        from evergreen.data.shards import first_rows

        examples = []
        for row in first_rows(splits.shards("test"), ["image"], count):
            picture = decode_picture(row["image"])
            scale = min(1.0, EXAMPLE_SIDE_PX / max(picture.shape))
            height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
            examples.append(instance_of(encode_jpeg(resize_picture(picture, height, width))))
        return examples

    def instance(self, value: object) -> dict[str, Any]:
        """What the endpoint is asked of a picture: its bytes, the path of its file, or its `gs://` address.

        Raises:
            InputError: there is no such file.
        """
        if isinstance(value, bytes):
            return instance_of(value)
        if not isinstance(value, str) or value.startswith(BUCKET_SCHEME):
            return {self._task.input_field: value}
        try:
            return instance_of(Path(value).read_bytes())
        except OSError as error:
            raise InputError(
                f"no picture can be read at {excerpt(value)} ({error.strerror or error}); name a PNG or JPEG file"
            ) from error


class ImagePredictor:
    """Predicts by its engine, one network for what is evaluated and what is served."""

    def __init__(
        self,
        network: PictureNetwork,
        *,
        labels: tuple[str, ...],
        max_pixels: int,
        fetch: Fetch | None = None,
    ) -> None:
        self._network = network
        self._labels = labels
        self._max_pixels = max_pixels
        self._fetch = fetch

    def by(self, engines: Engines, variant: EngineVariant) -> ImagePredictor:
        """The same model, computed by a graph. Raises InputError when that cannot be loaded."""
        classes = Graph(engines.path / CLASSES_FILE)
        network = OnnxPictureNetwork(Graph(engines.file(variant)), classes, variant, round(self._network.pixels**0.5))
        return ImagePredictor(network, labels=self._labels, max_pixels=self._max_pixels, fetch=self._fetch)

    @property
    def engine(self) -> str:
        """What computes."""
        return self._network.engine

    @property
    def takes_turns(self) -> bool:
        """Whether one prediction is made at a time: on a GPU."""
        return self._network.takes_turns

    @property
    def budget(self) -> int:
        """Pixels of a batch, at the size that the network is asked at."""
        return self._network.budget

    def use_threads(self, count: int) -> None:
        """Lets the calling thread's next predictions use so many threads."""
        self._network.use_threads(count)

    def decode(self, instances: Sequence[Any]) -> list[Pixels]:
        """The pictures: (H, W, 3) each.

        Raises:
            InstanceError: an instance is not `{"image": "…"}` with a picture that can be used.
            RequestTooLargeError: the pictures have too many pixels together.
        """
        pictures: list[Pixels] = []
        left = self._max_pixels * PIXELS_OF_A_REQUEST
        for index, instance in enumerate(instances):
            picture = self._picture(index, instance)
            left -= picture.shape[0] * picture.shape[1]
            if left < 0:
                most = self._max_pixels * PIXELS_OF_A_REQUEST
                raise RequestTooLargeError(
                    f"the first {index + 1} pictures have more than {most:,} pixels together; send them in several "
                    "requests"
                )
            pictures.append(picture)
        return pictures

    def sizes(self, batch: Sequence[Pixels]) -> list[int]:
        """Pixels that the network sees of each."""
        return [self._network.pixels] * len(batch)

    def predict(self, batch: Sequence[Pixels]) -> PictureOutputs:
        """Masks of class numbers, each of its picture's size: (H, W) uint8."""
        return self._network.run(batch)

    @property
    def interface(self) -> Interface:
        """A picture in, a mask and its shares out."""
        shares = {label: {"type": "number", "minimum": 0, "maximum": 1} for label in self._labels}
        pixels = {"type": "integer", "minimum": 1}
        answer = {"mask": {"type": "string"}, "width": pixels, "height": pixels, "shares": _fields(shares)}
        sides = (min(side, math.isqrt(self._max_pixels)) for side in WARM_UP_SIDES_PX)
        grey = [np.full((side, side, 3), 128, dtype=np.uint8) for side in sides]
        return Interface(
            instance=_fields({"image": {"type": "string", "minLength": 1}}),
            prediction=_fields(answer),
            examples=tuple(instance_of(encode_jpeg(picture)) for picture in grey),
        )

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        """Predictions as they are. Raises InputError naming the first parameter."""
        return shaping_of(parameters)

    def encode(self, outputs: PictureOutputs) -> list[dict[str, Any]]:
        """`{"mask", "width", "height", "shares"}` a picture: the mask as PNG in base64, and each label's share."""
        return [self._prediction(mask) for mask in outputs]

    def observe(self, batch: Sequence[Pixels], outputs: PictureOutputs) -> list[Observation]:
        """Size, light and grain, and the classes' shares."""
        return observations(batch, outputs, self._labels)

    def _picture(self, index: int, instance: object) -> Pixels:
        if not isinstance(instance, dict):
            raise InstanceError(index, f"is {kind(instance)}; {_EXPECTED}")
        if unknown := sorted(str(key) for key in instance.keys() - {"image"}):
            missing = "" if "image" in instance else ", and 'image' is missing"
            raise InstanceError(index, f"has unknown {excerpts(unknown)}{missing}; {_EXPECTED}")
        given = instance.get("image")
        if not isinstance(given, str):
            raise InstanceError(index, f"'image' is {kind(given) if 'image' in instance else 'missing'}; {_EXPECTED}")
        data = self._fetched(index, given) if given.startswith(BUCKET_SCHEME) else _from_base64(index, given)
        try:
            return decode_picture(data, PICTURE_FORMATS, self._max_pixels)
        except PictureError as error:
            raise InstanceError(index, f"'image' {error}") from error

    def _fetched(self, index: int, address: str) -> bytes:
        if self._fetch is None:
            raise InstanceError(index, f"'image' is {cut(address)}, but nothing reads buckets here; send base64")
        try:
            return self._fetch(address, MAX_BODY_BYTES)
        except InputError as error:  # anything else is no fault of the request
            raise InstanceError(index, f"'image' cannot be read: {error}") from error

    def _prediction(self, mask: Pixels) -> dict[str, Any]:
        shares = dict(zip(self._labels, shares_of(mask, len(self._labels)), strict=True))
        height, width = mask.shape
        png = base64.b64encode(encode_png(mask)).decode("ascii")
        return {"mask": png, "width": width, "height": height, "shares": shares}


def instance_of(data: bytes) -> dict[str, str]:
    """The instance of an encoded picture, as a client sends it."""
    return {"image": base64.b64encode(data).decode("ascii")}


def _from_base64(index: int, text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InstanceError(index, f"'image' is no base64 ({error}); {_EXPECTED}") from error
    if not data:
        raise InstanceError(index, f"'image' is empty; {_EXPECTED}")
    return data


def _fields(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has them all, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
