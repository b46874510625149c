"""The project's command line: `python run.py --config local.yaml` runs a pipeline; --help lists the rest."""

from __future__ import annotations

import sys

from commands.collector import searched_seldom
from commands.parser import main

if __name__ == "__main__":
    with searched_seldom():
        code = main(sys.argv[1:])
    sys.exit(code)
