"""`make gcp PROJECT=…`: what only a project of Google's can prove, for whoever has one, with its price told before.

    python -m tests.proof --project my-project           # plan and price; asks before anything is made
    python -m tests.proof --project my-project --remove  # what a run that was killed has left

All that costs by the hour, its models, table, leases and the files below `gs://…/proof` carry names or labels of the
proof's own, and are removed at the end, however that comes. Artifacts and records of its runs stay in ZenML and MLflow,
as those of any run do. Of answers the fields alone are recorded (`tests/cassettes/google.json`), without a value.
"""
