"""`make gcp PROJECT=…`: what only a project of Google's can prove, for whoever has one, with its price told before.

    python -m tests.proof --project my-project           # plan and price; asks before anything is made
    python -m tests.proof --project my-project --remove  # what a run that was killed has left

Everything that it makes carries `evergreen_environment=proof` or lies below `gs://…/proof`, and is removed at the end,
however that comes. Answers are recorded as the fields that they have (`tests/cassettes/google.json`), without a value.
"""
