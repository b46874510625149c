"""`python -m tests.homes FOLDER ARCHIVE CHECKOUT PYTHON` packs what a commit left behind."""

import sys
from pathlib import Path

from tests.homes import pack

if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:5])
