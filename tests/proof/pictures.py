"""Raw pictures of the proof: `python -m tests.proof.pictures gs://my-bucket/proof/pets/raw 160`."""

from __future__ import annotations

import os
import sys

from tests.e2e.pets import shards


def main(address: str, count: str) -> None:
    """Writes the shards; `${NAME}` in the address is filled from the environment."""
    from google.cloud import storage

    bucket, _, folder = os.path.expandvars(address).removeprefix("gs://").partition("/")
    client = storage.Client()
    for name, content in shards(int(count)):
        client.bucket(bucket).blob(f"{folder}/{name}").upload_from_string(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
