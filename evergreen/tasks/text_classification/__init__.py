"""One label for a text, by any Hugging Face encoder."""
