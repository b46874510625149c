"""Dataflow: a job executes the pipeline that was staged for it, on Beam's local runner in a container of its image."""
