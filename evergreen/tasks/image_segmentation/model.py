"""The networks that a task may name, fresh or from pretrained weights.

Torch and transformers load inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from evergreen.tasks.encoder_files import CONFIG, UnusableError, check_no_code, read_object
from evergreen.tasks.hub_snapshot import has_weights
from evergreen.tasks.image_segmentation.settings import STRIDES, ArchitectureName
from evergreen.tasks.libraries import loading, quiet_transformers
from evergreen.tasks.pretrained import Pretrained, fresh_weights

if TYPE_CHECKING:
    import torch

LARGEST_BYTE = 255.0
BATCH_NORM_MOMENTUM = 0.1
"""Torch's own. MobileNetV2 in transformers says 0.997, which torch takes for the weight of the last batch alone."""
_HALF = (0.5, 0.5, 0.5)
_MOBILENETS = ("mobilenet_v2", "mobilenet_v2_unet", "mobilenet_v2_deeplabv3plus")


@dataclass(frozen=True)
class Architecture:
    """How a network is made, and how its family's pretrained weights expect colours: normalised by `mean` and `std`.

    `network` gives the class, `processor` that of its family's image processor; `settings` differ from those of its
    configuration's defaults. Sides of pictures are multiples of `stride`. `families` are the `model_type`s whose
    weights it takes.
    """

    network: Callable[[], Any]
    processor: Callable[[], Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int
    settings: Mapping[str, object]
    families: tuple[str, ...]

    def fresh(self, labels: tuple[str, ...]) -> Any:
        """The network with random weights of the seed that is set."""
        network = self.network()
        config = network.config_class(**_names(labels), **self.settings)
        return _usual_norms(network(config))

    def load(self, model_dir: Path) -> Any:
        """The network of a trained-model directory, float32.

        Raises:
            InputError: no usable model there.
        """
        import torch

        with loading("segmentation model", model_dir), quiet_transformers():
            return self.network().from_pretrained(
                model_dir,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )


class Backbone(Pretrained):
    """A reference to pretrained weights of an architecture's family."""

    example: ClassVar[str] = "google/mobilenet_v2_1.0_224"

    def load_network(self, architecture: Architecture, labels: tuple[str, ...]) -> tuple[Any, frozenset[str]]:
        """The network whose encoder is pretrained, and the names of the weights that are not, but random.

        A head is pretrained, too, where there is one, but for what depends on another number of labels.

        Raises:
            InputError: it cannot be had, or is of another family.
        """
        with self.translated():
            return self._load(self.whole(), architecture, labels)

    def prove(self, architecture: Architecture, labels: tuple[str, ...]) -> None:
        """Returns when the network can be made of the encoder's configuration and takes a picture; no weight is read.

        Raises:
            InputError: it cannot, or the encoder is of another family.
            EvergreenError: the Hub does not answer.
        """
        folder = self.checked_files()
        with self.translated():
            check_family(folder, architecture)
            _take_picture(self._built(folder, architecture, labels), architecture.stride)
            if has_weights(folder):
                self._load(folder, architecture, labels, device_map="meta")  # names and shapes alone

    def _built(self, folder: Path, architecture: Architecture, labels: tuple[str, ...]) -> Any:
        """The network of the encoder's configuration, with random weights."""
        network = architecture.network()
        with quiet_transformers():
            config = network.config_class.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, **_names(labels), **architecture.settings
            )
            return network(config)

    def _load(
        self, folder: Path, architecture: Architecture, labels: tuple[str, ...], **how: Any
    ) -> tuple[Any, frozenset[str]]:
        import torch

        check_no_code(folder)
        with quiet_transformers():
            network, loading = architecture.network().from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # a head that was trained on other labels is replaced
                output_loading_info=True,
                **_names(labels),
                **architecture.settings,
                **how,
            )
        fresh = fresh_weights(loading)
        self._require_encoder_weights([name for name in fresh if name.startswith(f"{network.base_model_prefix}.")])
        return _usual_norms(network), frozenset(fresh)


def check_family(folder: Path, architecture: Architecture) -> None:
    """Returns when the weights in a folder are of a family that the architecture takes.

    Raises:
        UnusableError: they are of another.
    """
    family = read_object(folder, CONFIG).get("model_type")
    if family not in architecture.families:
        allowed = ", ".join(architecture.families)
        raise UnusableError(f"its config.json has model_type {family!r}, but the architecture takes {allowed}")


def _take_picture(network: Any, side: int) -> None:
    """Returns when the network answers to two pictures. Whatever it raises otherwise is the reason."""
    import torch

    with torch.inference_mode():
        network.eval()(pixel_values=torch.zeros(2, 3, side, side))


def freeze_encoder(network: Any) -> None:
    """Leaves the encoder as it is from now on: its weights, means and variances, and no dropout."""
    encoder = getattr(network, network.base_model_prefix)
    encoder.requires_grad_(requires_grad=False).eval()
    encoder.train = MethodType(_stay, encoder)


def _stay(module: Any, mode: bool = True) -> Any:  # noqa: ARG001 - torch's signature
    return module


def _unet() -> Any:
    from evergreen.tasks.image_segmentation.unet import MobileNetV2UNet

    return MobileNetV2UNet


def _deeplab() -> Any:
    """MobileNetV2 and a head of one 1 × 1 convolution beside the mean of the whole picture, at a 16th of the size.

    transformers calls it DeepLabV3+, whose atrous pyramid and decoder it lacks.
    """
    from transformers import MobileNetV2ForSemanticSegmentation

    return MobileNetV2ForSemanticSegmentation


def _deeplabv3plus() -> Any:
    from evergreen.tasks.image_segmentation.deeplabv3plus import MobileNetV2DeepLabV3Plus

    return MobileNetV2DeepLabV3Plus


def _segformer() -> Any:
    from transformers import SegformerForSemanticSegmentation

    return SegformerForSemanticSegmentation


def _mobilenet_processor() -> Any:
    from transformers import MobileNetV2ImageProcessorPil

    return MobileNetV2ImageProcessorPil


def _segformer_processor() -> Any:
    from transformers import SegformerImageProcessorPil

    return SegformerImageProcessorPil


ARCHITECTURES: Mapping[ArchitectureName, Architecture] = {
    "unet": Architecture(
        _unet, _mobilenet_processor, _HALF, _HALF, STRIDES["unet"], {"output_stride": 32}, _MOBILENETS
    ),
    "deeplab": Architecture(
        _deeplab,
        _mobilenet_processor,
        _HALF,
        _HALF,
        STRIDES["deeplab"],
        {"output_stride": 16, "classifier_dropout_prob": 0.1},
        _MOBILENETS,
    ),
    "deeplabv3plus": Architecture(
        _deeplabv3plus,
        _mobilenet_processor,
        _HALF,
        _HALF,
        STRIDES["deeplabv3plus"],
        {"output_stride": 16, "classifier_dropout_prob": 0.1},
        _MOBILENETS,
    ),
    "segformer": Architecture(
        _segformer,
        _segformer_processor,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        STRIDES["segformer"],
        {},
        ("segformer",),
    ),
}


def _names(labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def _usual_norms(network: Any) -> Any:
    import torch

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    return network


def as_floats(pictures: torch.Tensor) -> torch.Tensor:
    """(batch, 3, H, W) in [0, 1], channels last in memory, of (batch, H, W, 3) uint8."""
    return pictures.permute(0, 3, 1, 2).float().div_(LARGEST_BYTE)


def normalised(pictures: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """(batch, 3, H, W) as the model reads them, of values in [0, 1]."""
    import torch

    centre, scale = (torch.tensor(values, device=pictures.device).view(1, 3, 1, 1) for values in (mean, std))
    scaled = (pictures - centre) / scale
    return scaled.contiguous(memory_format=torch.channels_last)
