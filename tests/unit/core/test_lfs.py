import pytest

from evergreen.core.lfs import is_lfs_pointer

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 90868376\n"


def test_a_pointer_is_known_by_its_head() -> None:
    assert is_lfs_pointer(POINTER)
    assert is_lfs_pointer(POINTER.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("head", [b"", b"version,text\n1,a\n", b"\x93NUMPY", b"PAR1", POINTER[:20]])
def test_other_files_are_no_pointers(head: bytes) -> None:
    assert not is_lfs_pointer(head)
