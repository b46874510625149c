"""BigQuery of the box without the rest of it: for tests and benchmarks that need nothing else.

    with running(Path("/tmp/box")) as environment:
        subprocess.run([sys.executable, "ask_bigquery.py"], env=os.environ | environment)

The variables are those that the whole box sets: the unmodified clients find the service by them alone.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from cloudbox.home import Home

PROJECT = "local-project"
_STARTS_WITHIN_S = 60
_PEM, _PKCS8, _OPEN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


@contextmanager
def running(home: Path) -> Iterator[dict[str, str]]:
    """The environment in which Google's clients reach the service while it runs. Raises RuntimeError if it cannot."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudbox.bigquery.alone", str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"BigQuery of the box did not start; see {Home(home).log('bigquery')}")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


async def serve(home: Home) -> None:
    """Serves until SIGTERM; prints the environment once the service answers."""
    _write_certificates(home)
    grpc_port, https_port = _free_port(), _free_port()
    hosts = {"bigquery.googleapis.com": https_port, "bigquerystorage.googleapis.com": grpc_port}
    proxy = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, hosts), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    _write_credentials(home, address)
    ports = ("--grpc-port", str(grpc_port), "--https-port", str(https_port))
    log = home.log("bigquery")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cloudbox.bigquery", "--home", str(home.path), *ports, stdout=output, stderr=output
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await asyncio.wait_for(_answers(https_port, service), _STARTS_WITHIN_S)
        print(json.dumps(_environment(home, address)), flush=True)
        await stop.wait()
    finally:
        if service.returncode is None:
            service.terminate()
        await service.wait()


def _environment(home: Home, address: str) -> dict[str, str]:
    return {
        "grpc_proxy": address,
        "https_proxy": address,
        "no_proxy": "127.0.0.1,localhost",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(home.ca),
        "REQUESTS_CA_BUNDLE": str(home.ca),
        "GOOGLE_APPLICATION_CREDENTIALS": str(home.credentials),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
    }


async def _answers(port: int, service: asyncio.subprocess.Process) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if service.returncode is not None:
                raise RuntimeError("the service ended before it answered") from None
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hosts: dict[str, int]) -> None:
    """CONNECT to a known host, or a token for whoever asks; nothing else."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    verb, target, _ = head.split(" ", 2)
    port = hosts.get(target.partition(":")[0])
    if verb == "CONNECT" and port:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        return
    body = json.dumps({"access_token": "of-the-box", "token_type": "Bearer", "expires_in": 3600})
    status = "200 OK" if (verb, target) == ("POST", "/token") else "403 Forbidden"
    form = "Content-Type: application/json\r\nConnection: close"
    writer.write(f"HTTP/1.1 {status}\r\n{form}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the other side hung up
    finally:
        writer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_certificates(home: Home) -> None:
    """A certificate for Google's hosts that is its own authority, unless there is one."""
    if home.server_certificate.is_file():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "BigQuery in the box")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.googleapis.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    home.write(home.server_key, key.private_bytes(_PEM, _PKCS8, _OPEN).decode())
    home.write(home.server_certificate, certificate.public_bytes(_PEM).decode())
    home.write(home.ca, certificate.public_bytes(_PEM).decode())


def _write_credentials(home: Home, address: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": key.private_bytes(_PEM, _PKCS8, _OPEN).decode(),
        "client_email": f"box@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{address}/token",
        "universe_domain": "googleapis.com",
    }
    home.write(home.credentials, json.dumps(account))


if __name__ == "__main__":
    asyncio.run(serve(Home(Path(sys.argv[1]))))
