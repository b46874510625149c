"""The one base class of configuration and value types.

A task, a source, a host or a publisher is settings: a frozen model tagged by `kind`, whose class names the classes that
do the work, one a verb; see `evergreen.core.members`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from evergreen.core.names import MODEL_NAME, nfc

Name = Annotated[str, AfterValidator(nfc)]
"""A name of a configuration, composed."""
ModelName = Annotated[str, AfterValidator(MODEL_NAME.check)]
"""Names a model in the record, its mirrors and folders: lower-case letters, digits and hyphens, at most 63."""


class Frozen(BaseModel):
    """Immutable value with no unknown fields, whose defaults are checked as what is given is; NaN survives a round trip
    through JSON.
    """

    beside_content: ClassVar[frozenset[str]] = frozenset()
    """Fields that tell no two values apart: a step is answered from cache whatever they are."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        ser_json_inf_nan="strings",
        validate_default=True,
    )
