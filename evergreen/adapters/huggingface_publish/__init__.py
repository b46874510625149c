"""Versions published on the Hugging Face Hub: a model repository with a card, and a Space to try them."""

from evergreen.adapters.huggingface_publish.publisher import HuggingFaceHub, HuggingFaceSpace

__all__ = ["HuggingFaceHub", "HuggingFaceSpace"]
