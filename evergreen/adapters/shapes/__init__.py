"""Generated pictures with their trimaps, for runs and tests that need no data of anyone's."""

from evergreen.adapters.shapes.source import ShapesSource

__all__ = ["ShapesSource"]
