"""A number for a text, such as a price, and a source of texts with prices: a task and a source from outside."""
