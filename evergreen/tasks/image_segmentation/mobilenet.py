"""transformers' MobileNetV2 as the encoder of a network of ours. Loads torch and transformers: import it inside
functions only.
"""

from __future__ import annotations

from copy import copy

from transformers import MobileNetV2Config, MobileNetV2Model
from transformers.models.mobilenet_v2.modeling_mobilenet_v2 import MobileNetV2ConvLayer


def encoder_of(config: MobileNetV2Config) -> MobileNetV2Model:
    """The encoder up to its last block; its weights go by the names that MobileNetV2 classifiers use."""
    encoder = MobileNetV2Model(config, add_pooling_layer=False)
    del encoder.conv_1x1  # widens the last map for a classifier; a third of the encoder's weights
    _pad_in_convolutions(encoder)
    return encoder


def _pad_in_convolutions(encoder: MobileNetV2Model) -> None:
    """Lets convolutions of stride 1 pad by themselves, where TensorFlow's padding is the same on all sides.

    The encoder pads in a step of its own, which copies the map before each convolution, also where there is nothing to
    pad: a tenth of a prediction's time.
    """
    for layer in encoder.modules():
        if isinstance(layer, MobileNetV2ConvLayer) and layer.convolution.stride == (1, 1):
            layer.config = copy(layer.config)
            layer.config.tf_padding = False
            sides = zip(layer.convolution.kernel_size, layer.convolution.dilation, strict=True)
            layer.convolution.padding = tuple(side // 2 * apart for side, apart in sides)
