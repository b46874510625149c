"""A way to the box's bucket that counts what the bucket serves."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Meter:
    """A way to the bucket that counts the bytes that come back."""

    def __init__(self, target: str) -> None:
        self._target = (urlsplit(target).hostname, urlsplit(target).port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.served = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._door.accept()
                bucket = socket.create_connection(self._target)
                threading.Thread(target=self._pass, args=(client, bucket, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(bucket, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):  # one of them went away
            while chunk := source.recv(65_536):
                self.served += len(chunk) if counted else 0
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
