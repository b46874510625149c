"""What a training starts from, and what it shows of itself."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from evergreen.core.base import Frozen


class Incumbent(Frozen):
    """The version a challenger must beat; `artifact` is where its trained model is kept. Both None: no champion.

    `engines` are where its graphs are kept, `report` where it says which of them serves; None: torch does.
    """

    version: str | None = None
    artifact: str | None = None
    engines: str | None = None
    report: str | None = None

    @model_serializer(mode="wrap")
    def _as_earlier(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without engines as earlier releases wrote it, so that what they answered stays in the cache."""
        fields: dict[str, Any] = written(self)
        beside = {name for name in ("engines", "report") if fields.get(name) is None}
        return {name: value for name, value in fields.items() if name not in beside}


class Start(Frozen):
    """What a training starts from: the fingerprint of the pretrained weights, and the champion's model, by which a warm
    start begins. `moved`: requests say that the world is no longer as the champion learned it.
    """

    pretrained: str
    champion: Incumbent = Incumbent()
    moved: bool = Field(default=False, exclude_if=lambda value: not value)


class Curves(Frozen):
    """Points `{"step": …, "loss": …}` with further values by name; equal trainings have equal curves.

    The model has the weights of `best_step`, or the mean of those and, by `champion_share`, of the champion's.
    """

    train: tuple[dict[str, float], ...]
    validation: tuple[dict[str, float], ...]
    best_step: int
    champion_share: float = Field(0.0, exclude_if=lambda value: not value)


class PictureAnswers(Frozen):
    """What a new model answers for pictures of the validation split: `overlays` as those of a WorstPicture.

    Class numbers have the colours of `evergreen.core.colours`, in the order of `labels`.
    """

    labels: tuple[str, ...]
    overlays: tuple[str, ...]
