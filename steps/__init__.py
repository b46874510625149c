"""The pipelines' steps, one file each: load inputs, call the library, return typed outputs."""

from orchestration import materializers  # noqa: F401  a process that runs a step needs them registered
