"""What needs ZenML besides steps and pipelines: configuration, materializers, the version record, runs."""
