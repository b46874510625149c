"""Artifacts, protocols and pure decisions; imports nothing of the rest of the project."""
