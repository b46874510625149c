"""DeepLabV3+ on transformers' MobileNetV2. Loads torch and transformers: import it inside functions only.

pixel_values (batch, 3, H, W) → encoder, its last blocks dilated: H/16 → atrous pyramid → beside an early map: H/4
→ logits (batch, labels, H/4, W/4)

Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", arXiv:1802.02611.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import MobileNetV2Config, PreTrainedModel
from transformers.modeling_outputs import SemanticSegmenterOutput

from evergreen.tasks.image_segmentation.mobilenet import encoder_of

STRIDE = 16
"""Of the encoder's last map, for which RATES are made."""
RATES = (6, 12, 18)
CHANNELS = 256
SKIP_LAYER = 1
"""The encoder's layer whose output, at a quarter of the size, the decoder reads."""
SKIP_CHANNELS = 48


class MobileNetV2DeepLabV3PlusConfig(MobileNetV2Config):  # type: ignore[no-untyped-call]
    """MobileNetV2's own configuration; pyramid and decoder have no settings."""

    model_type = "mobilenet_v2_deeplabv3plus"


class MobileNetV2DeepLabV3Plus(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Segments at a quarter of the size; the encoder's weights go by the names that MobileNetV2 classifiers use."""

    config_class = MobileNetV2DeepLabV3PlusConfig
    base_model_prefix = "mobilenet_v2"
    main_input_name = "pixel_values"

    def __init__(self, config: MobileNetV2DeepLabV3PlusConfig) -> None:
        super().__init__(config)
        self.mobilenet_v2 = encoder_of(config)
        layers: Any = self.mobilenet_v2.layer
        early, late = (layers[number].reduce_1x1.convolution.out_channels for number in (SKIP_LAYER, -1))
        self.pyramid = _Pyramid(late, config.classifier_dropout_prob)
        self.skip = _pointwise(early, SKIP_CHANNELS)
        self.decoder = nn.Sequential(_separable(CHANNELS + SKIP_CHANNELS, CHANNELS), _separable(CHANNELS, CHANNELS))
        self.classifier = nn.Conv2d(CHANNELS, len(config.id2label or ()), kernel_size=1)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> SemanticSegmenterOutput:
        """Logits: (batch, labels, H / 4, W / 4); H and W are multiples of STRIDE."""
        features = self.mobilenet_v2.conv_stem(pixel_values)
        for number, layer in enumerate(self.mobilenet_v2.layer):
            features = layer(features)
            if number == SKIP_LAYER:
                early = self.skip(features)
        context = self.pyramid(features)
        context = functional.interpolate(context, size=early.shape[-2:], mode="bilinear", align_corners=False)
        decoded = self.decoder(torch.cat([context, early], dim=1))
        return SemanticSegmenterOutput(logits=self.classifier(decoded))


class _Pyramid(nn.Module):
    """The map seen at once by a pixel, at three distances and as a whole: what is near, around and all there is."""

    def __init__(self, channels_in: int, dropout: float) -> None:
        super().__init__()
        self.near = _pointwise(channels_in, CHANNELS)
        self.around = nn.ModuleList(_separable(channels_in, CHANNELS, rate) for rate in RATES)
        self.whole = _pointwise(channels_in, CHANNELS)
        self.project = nn.Sequential(_pointwise((2 + len(RATES)) * CHANNELS, CHANNELS), nn.Dropout(dropout))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, CHANNELS, H, W)."""
        whole = self.whole(features.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *features.shape[-2:])
        seen = [self.near(features), *(look(features) for look in self.around), whole]
        joined: torch.Tensor = self.project(torch.cat(seen, dim=1))
        return joined


def _pointwise(channels_in: int, channels_out: int) -> nn.Sequential:
    """1 × 1 convolution, normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _separable(channels_in: int, channels_out: int, rate: int = 1) -> nn.Sequential:
    """A 3 × 3 convolution, atrous at `rate`, of each channel by itself; then one of 1 × 1 across them."""
    depthwise = nn.Conv2d(
        channels_in, channels_in, kernel_size=3, padding=rate, dilation=rate, groups=channels_in, bias=False
    )
    return nn.Sequential(
        depthwise,
        nn.BatchNorm2d(channels_in),
        nn.ReLU(inplace=True),
        *_pointwise(channels_in, channels_out),
    )
