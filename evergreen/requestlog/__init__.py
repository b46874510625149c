"""The request log: what a server notes of each prediction, never its input, and how it is read again as Arrow."""
