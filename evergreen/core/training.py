"""What a training starts from, and what it shows of itself."""

from __future__ import annotations

from evergreen.core.base import Frozen


class Incumbent(Frozen):
    """The version a challenger must beat; `artifact` is where its trained model is kept. Both None: no champion."""

    version: str | None = None
    artifact: str | None = None


class Start(Frozen):
    """What a training starts from: the fingerprint of the pretrained weights, and the champion of a warm start."""

    pretrained: str
    champion: Incumbent = Incumbent()


class Curves(Frozen):
    """Points `{"step": …, "loss": …}` with further values by name; equal trainings have equal curves."""

    train: tuple[dict[str, float], ...]
    validation: tuple[dict[str, float], ...]
    best_step: int


class PictureAnswers(Frozen):
    """What a new model answers for pictures of the validation split: `overlays` as those of a WorstPicture.

    Class numbers have the colours of `evergreen.core.colours`, in the order of `labels`.
    """

    labels: tuple[str, ...]
    overlays: tuple[str, ...]
