"""A Vertex AI of the box for one test module: its own CA, a CONNECT proxy in place of the gateway, real clients."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudbox.box import PROJECT_NUMBER

ROOT = Path(__file__).parents[3]
CLIENTS = Path(__file__).with_name("vertex_clients.py")
HOSTS = (
    "*.googleapis.com",
    "*.prediction.vertexai.goog",
    f"*.europe-west4-{PROJECT_NUMBER}.prediction.vertexai.goog",
    "localhost",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_certificates(folder: Path) -> None:
    """A CA and a server certificate signed by it."""
    folder.mkdir(parents=True)
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)

    def name(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    basic = x509.BasicConstraints(ca=True, path_length=0)
    ca = builder("test CA", ca_key).add_extension(basic, critical=True).sign(ca_key, hashes.SHA256())
    names = [x509.DNSName(host) for host in HOSTS]
    alternatives = x509.SubjectAlternativeName([*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = builder("box", key).add_extension(alternatives, critical=False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Proxy:
    """A CONNECT proxy on a free port that leads every host of Vertex AI to one port and refuses the others."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        while (await reader.readline()).strip():
            continue
        if not re.match(
            r"CONNECT [\w.-]*((aiplatform|cloudresourcemanager)\.googleapis\.com|prediction\.vertexai\.goog):443 ", line
        ):
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            writer.close()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self._pipe(reader, onward), self._pipe(onward_reader, writer))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class _Bucket(BaseHTTPRequestHandler):
    """The one call that submitting a pipeline makes to Cloud Storage: whether the bucket of its root is there."""

    def do_GET(self) -> None:
        body = json.dumps({"kind": "storage#bucket", "name": "bucket"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class VertexBox:
    """A running service, its home, and the environment that leads the real clients to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.grpc_port, self.https_port = free_port(), free_port()
        grpc_proxy, https_proxy = Proxy(self.grpc_port), Proxy(self.https_port)
        storage = ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
        threading.Thread(target=storage.serve_forever, daemon=True).start()
        self.environment = {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{storage.server_port}",
            "grpc_proxy": f"http://127.0.0.1:{grpc_proxy.port}",
            "https_proxy": f"http://127.0.0.1:{https_proxy.port}",
            "no_proxy": "127.0.0.1,localhost",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(home / "certs" / "ca.pem"),
            "REQUESTS_CA_BUNDLE": str(home / "certs" / "ca.pem"),
            "BOX_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "ignore::FutureWarning",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the service and return when it listens."""
        ports = ["--grpc-port", str(self.grpc_port), "--https-port", str(self.https_port)]
        with (self.home / "vertex.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cloudbox.vertex", "--home", str(self.home), *ports],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                env={**os.environ, "NOT_FOR_CONTAINERS": "of the service"},
            )
        give_up = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
        for port in (self.grpc_port, self.https_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    died = self._process.poll() is not None
                    if died or datetime.datetime.now(datetime.UTC) > give_up:
                        raise AssertionError((self.home / "vertex.log").read_text()) from None
                    threading.Event().wait(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the service by a signal and wait for its end."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(30)

    def client(self, scenario: str, **environment: str) -> dict[str, Any]:
        """What a scenario of vertex_clients.py reports, run with the unmodified clients in a process of its own.

        gRPC reads its root certificates once per process: each box needs a fresh one.
        """
        done = subprocess.run(
            [sys.executable, str(CLIENTS), scenario],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{scenario}:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report


@contextmanager
def running(home: Path) -> Iterator[VertexBox]:
    """A box that is stopped at the end, its containers with it."""
    write_certificates(home / "certs")
    images = {"*": {"python": sys.executable, "env": {"FROM_THE_IMAGE": "yes"}, "code": None}}
    (home / "images.json").write_text(json.dumps(images))
    place = {"project": "local", "project_number": PROJECT_NUMBER, "region": "europe-west4"}
    (home / "box.json").write_text(json.dumps({**place, "ports": {}}))
    box = VertexBox(home)
    box.start()
    try:
        yield box
    finally:
        box.stop()
