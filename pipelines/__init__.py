"""Pipelines: wiring only, each reads as a list of steps."""
