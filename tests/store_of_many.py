"""An artifact store in which other machines write and remove while one machine works."""

from __future__ import annotations

from typing import Any


class StoreOfMany:
    """A store whose files `gone_once_listed`, by the ends of their names, go when their folder was listed."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.gone_once_listed: set[str] = set()
        self.refuses_writes = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def listdir(self, path: str) -> list[str]:
        names = list(self._store.listdir(path))
        for name in names:
            if any(f"{path}/{name}".endswith(end) for end in self.gone_once_listed):
                self._store.remove(f"{path}/{name}")
        return names

    def open(self, path: str, mode: str) -> Any:
        if mode == "wb" and self.refuses_writes:
            raise OSError("the bucket is over its quota")
        return self._store.open(path, mode)
