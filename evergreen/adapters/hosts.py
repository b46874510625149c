"""Where a model may be served: what a configuration's `host` can be, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evergreen.adapters.local_endpoint import LocalEndpoint
from evergreen.adapters.vertex import VertexEndpoint

AnyHost = Annotated[LocalEndpoint | VertexEndpoint, Field(discriminator="kind")]
