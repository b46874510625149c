"""What Git leaves in place of a large file that was not fetched.

version https://git-lfs.github.com/spec/v1
oid sha256:4d7a2146…
size 90868376
"""

from __future__ import annotations

HEAD_BYTES = 200
"""A pointer is shorter than this, whatever it points at."""
FETCH_IT = "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`, or download it"
"""What a message says of one, behind its name."""
_BEGINNINGS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")


def is_lfs_pointer(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a pointer; the first HEAD_BYTES are enough to know."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_BEGINNINGS) and b"oid " in head
