"""A machine of its own that holds a lease: `python -m tests.lease_holder STORE RUN` says whether it has it.

STORE is the path of a file, gs://bucket/object, or bq://dataset.table. What it does next comes in by its standard
input: `fence`, `end`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from evergreen.adapters.bigquery.leases import BigQueryLease
from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.gcs.leases import GcsLease
from evergreen.adapters.local_endpoint.host import FileLease
from evergreen.core.errors import BusyError
from evergreen.core.lease import LeaseStore
from evergreen.runtime.hold import Patience, held, holder_of

PROJECT = "local-project"


def store_of(address: str) -> LeaseStore:
    if address.startswith("bq://"):
        table = address.removeprefix("bq://")
        return BigQueryLease(BigQueryOutput(project=PROJECT, table=table), table.partition(".")[2])
    if not address.startswith("gs://"):
        return FileLease(Path(address))
    bucket, _, name = address.removeprefix("gs://").partition("/")
    return GcsLease(PROJECT, bucket, name)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(address: str, run: str) -> None:
    try:
        with held(store_of(address), "news", holder_of(run), Patience(0, say)) as claim:
            say("held")
            for line in sys.stdin:
                if line.strip() == "end":
                    return
                claim.fence()
                say("passed")
    except BusyError as error:
        say(f"refused: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
