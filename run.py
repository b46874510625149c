"""The project's command line: `python run.py --config local.yaml` runs a pipeline; --help lists the rest."""

from __future__ import annotations

import sys

from commands.parser import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
