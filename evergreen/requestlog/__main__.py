"""`python -m evergreen.requestlog FOLDER KEEP_DAYS MOST_BYTES` keeps a log in order: parts of lines, age and size.

A process of its own, for seconds: Arrow's memory stays with neither server nor front.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from evergreen.requestlog.parts import enforce, turn_into_parquet


def main(arguments: list[str]) -> int:
    """The exit code; the reason of a failure is one line on stderr."""
    folder, keep_days, most_bytes = Path(arguments[0]), float(arguments[1]), int(arguments[2])
    try:
        if find_spec("pyarrow") is not None:  # without it the lines are read as they are
            turn_into_parquet(folder)
        enforce(folder, keep_days, most_bytes)
    except OSError as error:
        sys.stderr.write(f"the request log in {folder} is not in order: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
