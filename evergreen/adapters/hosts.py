"""Where a model may be served: what a configuration's `host` can be, told apart by `kind`."""

from __future__ import annotations

from evergreen.adapters.local_endpoint import LocalEndpoint

AnyHost = LocalEndpoint  # becomes a union discriminated by `kind` with the second host
