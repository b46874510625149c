"""Evergreen's library: everything that would survive deleting ZenML.

The serving image copies this package alone; nothing in it imports zenml.
"""
