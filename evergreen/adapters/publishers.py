"""Where versions may be published: what a configuration's `publish` can be."""

from __future__ import annotations

from evergreen.adapters.huggingface_publish import HuggingFaceHub

AnyPublisher = HuggingFaceHub
"""Every kind of publisher, told apart by `kind`."""
