"""This very library as a wheel, for workers whose image holds its requirements alone."""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from evergreen.core.library import library_files

VERSION = "0.1.0"
_MOMENT = (2020, 1, 1, 0, 0, 0)


def library_wheel(folder: Path) -> Path:
    """`folder/evergreen-0.1.0-py3-none-any.whl`; equal sources give equal bytes."""
    path = folder / f"evergreen-{VERSION}-py3-none-any.whl"
    info = f"evergreen-{VERSION}.dist-info"
    files = {name: file.read_bytes() for name, file in library_files().items()}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: evergreen\nVersion: {VERSION}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: evergreen\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode() + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(zipfile.ZipInfo(name, _MOMENT), content)
    return path


def _digest(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
