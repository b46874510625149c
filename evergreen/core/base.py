"""The one base class of configuration and value types.

A task, a source or a host is a frozen model tagged by `kind`: its fields are the configuration,
its methods the behaviour.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable value with no unknown fields; NaN survives a round trip through JSON."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        ser_json_inf_nan="strings",
    )
