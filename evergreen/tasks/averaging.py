"""The mean of the weights that a training began with and of those that it ended with ("WiSE-FT", arXiv:2109.01903).

begun = changing_weights(model)
...  # train
mix(model, begun, share=0.5)
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def changing_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of what a training changes, by name: weights that are not frozen, and the statistics of normalisations.

    Whole numbers, such as counts of batches, have no mean and are left out.
    """
    trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    found = chain(trained, model.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in found if tensor.is_floating_point()}


def mix(model: torch.nn.Module, others: Mapping[str, torch.Tensor], share: float) -> None:
    """Gives the model `share` of the other weights of these names, and leaves it the rest of its own."""
    own = dict(chain(model.named_parameters(), model.named_buffers()))
    for name, other in others.items():
        own[name].data.lerp_(other.to(own[name].device), share)
