"""Predictions of many rows without an endpoint: by the champion's directory, in processes here or on Dataflow."""
