"""Pictures drawn by processes of their own, since Python draws on one core.

Each is `python -P -m evergreen.adapters.shapes.draw SEED SIZE COUNT WORKER WORKERS` and writes its batches to standard
output as an Arrow stream. A process started so runs nothing of the program that asked for it, whatever that is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import EvergreenError
from evergreen.data.pictures import encode_png
from evergreen.runtime.processes import library_environment

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 64
ALONE = 512
"""Pictures below which it takes longer to start processes than to draw."""
MOST_WORKERS = 8


def drawn(seed: int, size: int, count: int) -> Iterator[pa.RecordBatch]:
    """Batches of `id`, `image` and `mask`, the same however many processes draw them.

    Raises:
        EvergreenError: a process ended before it was done.
    """
    workers = min(os.cpu_count() or 1, MOST_WORKERS) if count >= ALONE else 1
    if workers == 1:
        yield from (_batch(seed, size, count, first) for first in range(0, count, BATCH_ROWS))
        return
    with ExitStack() as stack:
        processes = [_start(stack, [seed, size, count, worker, workers]) for worker in range(workers)]
        readers: list[Any] = [None] * workers
        for number in range(-(-count // BATCH_ROWS)):
            yield _next(processes, readers, number % workers)


def _start(stack: ExitStack, arguments: list[int]) -> subprocess.Popen[bytes]:
    """The process; it is killed when the stack is closed, were it not at its end."""
    # -P: this library is drawn with, not what is named like it in the working directory.
    command = [sys.executable, "-P", "-m", __name__, *map(str, arguments)]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, env=library_environment({})))
    stack.callback(process.kill)
    return process


def _next(processes: list[subprocess.Popen[bytes]], readers: list[Any], worker: int) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        readers[worker] = readers[worker] or pa.ipc.open_stream(processes[worker].stdout)
        return readers[worker].read_next_batch()
    except (pa.ArrowInvalid, OSError, StopIteration) as error:
        raise EvergreenError(
            f"a process that draws pictures ended early, with exit code {processes[worker].wait()}; see what it printed"
        ) from error


def _batch(seed: int, size: int, count: int, first: int) -> pa.RecordBatch:
    """The pictures from number `first` on."""
    import pyarrow as pa

    from evergreen.adapters.shapes.scene import draw_scene

    numbers = range(first, min(first + BATCH_ROWS, count))
    images, masks = zip(*(map(encode_png, draw_scene(seed, number, size)) for number in numbers), strict=True)
    columns = {
        "id": pa.array([f"shape-{number:06d}" for number in numbers]),
        "image": pa.array(images, pa.binary()),
        "mask": pa.array(masks, pa.binary()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _write(seed: int, size: int, count: int, worker: int, workers: int) -> None:
    """Every so many-th batch to standard output."""
    import pyarrow as pa

    firsts = range(worker * BATCH_ROWS, count, workers * BATCH_ROWS)
    batches = (_batch(seed, size, count, first) for first in firsts)
    head = next(batches)
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as out, pa.ipc.new_stream(out, head.schema) as writer:
        writer.write_batch(head)
        for batch in batches:
            writer.write_batch(batch)


if __name__ == "__main__":
    _write(*map(int, sys.argv[1:]))
