"""How a container's process gets an `/app` of its own, with what this machine allows.

Code written for an image expects to create `/app`. A mount namespace gives each process a root that is this
machine's, but for `/app`: as root directly, as an ordinary user inside a user namespace. Where neither is allowed the
process shares this machine's root, which is said in the log.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_ENTER = r"""
set -e
root=$1; app=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
for entry in /*; do
  name=${entry#/}
  [ "$name" != app ] || continue
  if [ -L "$entry" ]; then cp -d "$entry" "$root/$name"
  elif [ -d "$entry" ]; then mkdir "$root/$name"; mount --rbind "$entry" "$root/$name"
  elif [ -f "$entry" ]; then touch "$root/$name"; mount --bind "$entry" "$root/$name"
  fi
done
mkdir "$root/app"
mount --bind "$app" "$root/app"
exec chroot "$root" /bin/sh -c 'cd /app && exec "$@"' container "$@"
"""

_NAMESPACES = {
    "mount namespace": ("unshare", "--mount", "--propagation", "private"),
    "user namespace": ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"),
}
NAMESPACES = tuple(_NAMESPACES)
"""The ways into a private root, the better one first."""


class Sandbox:
    """The way into a private root that works here; found once, by trying."""

    def __init__(self, folder: Path, allowed: Sequence[str] = NAMESPACES) -> None:
        """Probe the allowed ways with scratch folders below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = next((name for name in allowed if _works(name, folder)), None)
        if self.name:
            log.info("containers get their own /app by a %s", self.name)
        else:
            log.warning(
                "no namespace is allowed here: containers share this machine's /app and start in their own folder"
            )

    def enter(self, app: Path, root: Path, argv: list[str]) -> list[str]:
        """The command that runs `argv` in `/app`, which is `app`; `root` is an empty folder to mount on."""
        if self.name is None:
            return ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "container", str(app), *argv]
        return [*_command(self.name), "/bin/sh", "-c", _ENTER, "container", str(root), str(app), *argv]


def can_make_app() -> bool:
    """Whether a process without a root of its own may use `/app`, or make it."""
    app = Path("/app")
    return os.access(app if app.is_dir() else app.parent, os.W_OK)


def _command(name: str) -> list[str]:
    program, *rest = _NAMESPACES[name]
    return [shutil.which(program) or program, *rest]


def _works(name: str, folder: Path) -> bool:
    if os.uname().sysname != "Linux" or (name == "mount namespace" and os.geteuid() != 0):
        return False
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root, app = Path(scratch, "root"), Path(scratch, "app")
        root.mkdir()
        app.mkdir()
        probe = [*_command(name), "/bin/sh", "-c", _ENTER, "container", str(root), str(app), "touch", "/app/here"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode or not (app / "here").exists():
            log.info("no %s here: %s", name, done.stderr.strip()[-300:])
            return False
    return True
