"""A box with Google Cloud Storage and Vertex AI, for tests that drive it with the real Google clients."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gcsfs

from cloudbox.box import Box, open_box
from cloudbox.environment import network
from cloudbox.home import Home

BUCKET = "staging-bucket"
SERVICES = "gcs,gateway,vertex"


@contextmanager
def google_in_a_box(folder: Path) -> Iterator[Box]:
    """The running box, with this process's environment leading into it, and an empty bucket."""
    home = Home(folder / "box")
    command = [sys.executable, "-m", "cloudbox", "--home", str(home.path)]
    subprocess.run([*command, "up", "--services", SERVICES], check=True)
    before = dict(os.environ)
    try:
        box = open_box(home)
        os.environ.update(network(box))
        gcsfs.GCSFileSystem(project=box.project, skip_instance_cache=True).mkdir(BUCKET)
        yield box
    finally:
        os.environ.clear()
        os.environ.update(before)
        subprocess.run([*command, "down"], check=True)
