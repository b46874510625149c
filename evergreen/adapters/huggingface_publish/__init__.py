"""Versions published on the Hugging Face Hub: a model repository with a card, and a Space to try them."""
