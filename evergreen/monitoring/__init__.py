"""What a window of requests says of the world: rows of a request log against those that a model was measured on."""
