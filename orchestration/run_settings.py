"""Settings of stack components within a run configuration: read over both levels, and changed for one run of it.

settings: {orchestrator.vertex: {synchronous: true}}
steps: {train: {settings: {step_operator: {machine_type: n1-standard-8}}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Components = Mapping[str, Mapping[str, Any]]
"""The configuration of each of a stack's components, by component type: what settings leave open."""


def settings_of(
    document: Mapping[str, Any], options: Mapping[str, Any], kind: str, components: Components | None = None
) -> dict[str, Any]:
    """Settings of a component type (`orchestrator`, `orchestrator.vertex`, …): the step's over the run's over its own.

    Its own are its configuration.
    """
    settings: dict[str, Any] = dict((components or {}).get(kind, {}))
    for level in (document.get("settings") or {}, options.get("settings") or {}):
        for key, fields in level.items():
            if is_of(key, kind):
                settings |= fields or {}
    return settings


def with_settings(options: Mapping[str, Any], kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The document, or the options of a step, with these fields of a component type in every key that it has there."""
    settings = dict(options.get("settings") or {})
    keys = [key for key in settings if is_of(key, kind)] or [kind]
    changed = {key: {**(settings.get(key) or {}), **fields} for key in keys}
    return {**options, "settings": {**settings, **changed}}


def is_of(key: str, kind: str) -> bool:
    """Whether a key of `settings` is about a component type: `orchestrator`, `orchestrator.vertex`, …"""
    return key.replace(":", ".").partition(".")[0] == kind


def is_watched(document: Mapping[str, Any]) -> bool:
    """Whether `run` waits for a run of this configuration elsewhere: unless it says `synchronous: false`."""
    return bool(settings_of(document, {}, "orchestrator").get("synchronous", True))


def without_waiting(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a run for which ZenML itself does not wait."""
    return with_settings(document, "orchestrator", {"synchronous": False})
