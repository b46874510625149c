"""The keyword model in a container that a test can kill for good.

`python -m tests.mortal_model` tells its process id in `$MORTAL_FOLDER/<deployed model id>` and ends at once where
`<deployed model id>.dead` lies beside it: a deployed model whose machine is broken, while a new one starts well.
"""

import os
import signal
from pathlib import Path

from evergreen.serving.__main__ import exit_now, main
from tests.keyword_model import load_keywords


def kill_all(folder: Path) -> None:
    """Ends every server that runs, and every later one of the same deployed models."""
    for note in folder.iterdir():
        if note.suffix != ".dead" and not note.with_suffix(".dead").exists():
            note.with_suffix(".dead").touch()
            try:
                os.kill(int(note.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                continue


if __name__ == "__main__":
    note = Path(os.environ["MORTAL_FOLDER"], os.environ["AIP_DEPLOYED_MODEL_ID"])
    if note.with_suffix(".dead").exists():
        exit_now(1)
    note.write_text(str(os.getpid()))
    exit_now(main(load_keywords))
