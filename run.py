"""The project's command line: `python run.py --config local.yaml` runs a pipeline; --help lists the rest."""

from __future__ import annotations

import sys

from commands.garbage_collection import rare_garbage_collection
from commands.parser import main

if __name__ == "__main__":
    with rare_garbage_collection():
        code = main(sys.argv[1:])
    sys.exit(code)
