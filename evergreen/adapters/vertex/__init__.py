"""Live endpoints on Vertex AI, and its Model Registry as a mirror of the record."""
