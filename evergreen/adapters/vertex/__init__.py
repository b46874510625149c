"""Live endpoints on Vertex AI, and its Model Registry as a mirror of the record."""

from evergreen.adapters.vertex.host import VertexEndpoint
from evergreen.adapters.vertex.mirror import VertexMirror

__all__ = ["VertexEndpoint", "VertexMirror"]
