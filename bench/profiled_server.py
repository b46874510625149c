"""Our server with a witness: every few milliseconds it is noted what each of its threads is at.

    AIP_STORAGE_URI=… python -m bench.profiled_server PROFILE.json

Threads that wait are not counted. Waiting is what a known few functions do.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

PERIOD_S = 0.005
WRITE_EVERY_S = 2.0
WAITING = ("wait", "select", "get", "_worker", "accept", "poll")
DEPTH = 3


def watch(path: Path) -> None:
    """Notes until the process ends, and writes the counts again and again: it may be killed."""
    counts: Counter[str] = Counter()
    written = time.monotonic()
    while True:
        time.sleep(PERIOD_S)
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if frame.f_code.co_name not in WAITING and ident != threading.get_ident():
                counts[f"{names.get(ident, '?')}: {' < '.join(_stack(frame))}"] += 1
        if time.monotonic() - written > WRITE_EVERY_S:
            unfinished = path.with_name(f".{path.name}")
            unfinished.write_text(json.dumps(counts.most_common()), encoding="utf-8")
            unfinished.replace(path)
            written = time.monotonic()


def read_profile(path: Path, most: int = 15) -> str:
    """The stacks that were met most often, with their share of all."""
    counts: list[tuple[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    total = max(sum(count for _, count in counts), 1)
    return "\n".join(f"{count / total:6.1%}  {stack}" for stack, count in counts[:most])


def _stack(frame: FrameType) -> Iterator[str]:
    current: FrameType | None = frame
    for _ in range(DEPTH):
        if current is None:
            return
        yield f"{Path(current.f_code.co_filename).stem}.{current.f_code.co_name}"
        current = current.f_back


def main(path: str) -> int:
    """Serves as `python -m evergreen.serving` does."""
    from evergreen.serving import __main__ as server

    threading.Thread(target=watch, args=(Path(path),), name="watch", daemon=True).start()
    return server.main(server._load_task)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
