"""Vertex AI in the box: pipelines, custom jobs, schedules, models, endpoints and predictions for the real clients."""
