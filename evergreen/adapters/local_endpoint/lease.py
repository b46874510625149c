"""A model's lease on this machine: a file in the state directory, replaced whole by one process at a time.

locks/news.json  {"generation": 7, "written": 1795895165.79, "lease": {"holder": …, "rollout": null}}
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evergreen.adapters.local_endpoint.state import write_atomically
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.lease import TTL_S, Lease, MovedError, Seen
from evergreen.runtime.hold import is_gone
from evergreen.runtime.locks import exclusive

LOCK_TIMEOUT_S = 10.0


class _Kept(Frozen):
    """The file's content; `written` in seconds since the epoch."""

    generation: int = 0
    written: float = 0.0
    lease: Lease = Lease()


@dataclass(frozen=True)
class FileLease:
    """The `LeaseStore` of one model. A holder of this machine whose process is gone holds it no longer."""

    path: Path
    poll_s: float = 0.1

    def read(self) -> Seen:
        """The lease as it is now; free where there is none. Raises EvergreenError when the file is damaged."""
        kept = self._kept()
        now = time.time()
        gone = kept.lease.holder is not None and is_gone(kept.lease.holder)
        return Seen(
            lease=kept.lease,
            generation=kept.generation,
            now=datetime.fromtimestamp(now, UTC),
            until=datetime.fromtimestamp(now if gone else kept.written + TTL_S, UTC),
        )

    def write(self, lease: Lease, generation: int) -> int:
        """The new generation. Raises MovedError when the file has another one than the one given."""
        with exclusive(self.path.with_suffix(".lock"), f"{self.path} is being written", LOCK_TIMEOUT_S):
            kept = self._kept()
            if kept.generation != generation:
                raise MovedError(f"{self.path} has generation {kept.generation}, not {generation}")
            new = _Kept(generation=generation + 1, written=time.time(), lease=lease)
            write_atomically(self.path, new.model_dump_json())
            return new.generation

    def _kept(self) -> _Kept:
        try:
            return _Kept.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return _Kept()
        except ValueError as error:
            raise EvergreenError(
                f"{self.path} is damaged ({error}); remove it while no run of the model is under way, then run again"
            ) from error
