"""U-Net on transformers' MobileNetV2. Loads torch and transformers: import it inside functions only.

pixel_values (batch, 3, H, W) → encoder: H/2 … H/32 → transposed convolutions beside the skips
→ logits (batch, labels, H, W)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import MobileNetV2Config, PreTrainedModel
from transformers.modeling_outputs import SemanticSegmenterOutput

from evergreen.tasks.image_segmentation.mobilenet import encoder_of

SKIP_LAYERS = (1, 4, 11, 15)
"""Encoder layers whose outputs the decoder reads, at 1/4, 1/8, 1/16 and 1/32 of the size."""
STEM_CHANNELS = 16
DECODER_CHANNELS = (128, 64, 32, 24, 16)
"""At 1/16, 1/8, 1/4, 1/2 and all of the size."""
STRIDE = 32


class MobileNetV2UNetConfig(MobileNetV2Config):  # type: ignore[no-untyped-call]
    """MobileNetV2's own configuration; the decoder has no settings."""

    model_type = "mobilenet_v2_unet"


class MobileNetV2UNet(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Segments at full resolution; the encoder's weights go by the names that MobileNetV2 classifiers use.

    The encoder's first map has half the size, so a stem of its own keeps thin things at full size.
    """

    config_class = MobileNetV2UNetConfig
    base_model_prefix = "mobilenet_v2"
    main_input_name = "pixel_values"

    def __init__(self, config: MobileNetV2UNetConfig) -> None:
        super().__init__(config)
        self.mobilenet_v2 = encoder_of(config)
        self.stem = _Block(config.num_channels, STEM_CHANNELS)
        layers: Any = self.mobilenet_v2.layer
        widths = [layers[number].reduce_1x1.convolution.out_channels for number in SKIP_LAYERS]
        skips = [*widths[-2::-1], layers[0].expand_1x1.convolution.in_channels, STEM_CHANNELS]
        below = [widths[-1], *DECODER_CHANNELS[:-1]]
        self.decoder = nn.ModuleList(
            _Rise(low, skip, out) for low, skip, out in zip(below, skips, DECODER_CHANNELS, strict=True)
        )
        self.classifier = nn.Conv2d(DECODER_CHANNELS[-1], len(config.id2label or ()), kernel_size=1)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> SemanticSegmenterOutput:
        """Logits: (batch, labels, H, W); H and W are multiples of STRIDE."""
        skips = [self.stem(pixel_values)]
        features = self.mobilenet_v2.conv_stem(pixel_values)
        skips.append(features)
        for number, layer in enumerate(self.mobilenet_v2.layer):
            features = layer(features)
            if number in SKIP_LAYERS:
                skips.append(features)
        features = skips.pop()
        for rise in self.decoder:
            features = rise(features, skips.pop())
        return SemanticSegmenterOutput(logits=self.classifier(features))


class _Block(nn.Sequential):
    """Convolution, normalisation, activation."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class _Rise(nn.Module):
    """Twice the size: a transposed convolution, then a block that also reads the skip of that size."""

    def __init__(self, channels_in: int, skip_channels: int, channels_out: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels_in, channels_out, kernel_size=2, stride=2)
        self.block = _Block(channels_out + skip_channels, channels_out)

    def forward(self, features: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(batch, channels_out, 2 H, 2 W)."""
        joined: torch.Tensor = self.block(torch.cat([self.up(features), skip], dim=1))
        return joined
