"""The serving image without torch, without an engine to build it: its requirements in a fresh environment, how large
they are, and the container contract of a model that answers by graphs; `make serving-image-test`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.members import trainable
from evergreen.serving.contract import check_server
from tests import tiny_text
from tests.dockerfile import ROOT
from tests.tiny_engines import add_text_engines

REQUIREMENTS = ROOT / "infra" / "serving-onnx-requirements.txt"
MOST_BYTES = 400_000_000
NOT_IN_IT = ("torch", "transformers", "gcsfs", "google.cloud", "pyarrow", "zenml", "mlflow", "sklearn")


def main() -> int:
    """The exit code; what was measured goes to stdout."""
    with tempfile.TemporaryDirectory(prefix="serving-image-") as folder:
        python = _installed(Path(folder) / "venv")
        size = _packages_bytes(python)
        _say(f"{REQUIREMENTS.name}: {size / 1e6:.0f} MB installed, at most {MOST_BYTES / 1e6:.0f} are allowed")
        _check_nothing_else(python)
        for processor, choice in (("the evaluation's", {}), ("another", {"instruction_set": "of another machine"})):
            kept = [{"text": text} for text, _ in tiny_text.headlines(64, 5)]
            model = add_text_engines(
                _model(Path(folder) / processor), kept, Path(folder) / f"{processor} graphs", **choice
            )
            check_server(model.path, kept[:3], command=(python, "-m", "evergreen.serving"))
            _say(f"on {processor} processor it keeps the container contract")
    return 0 if size < MOST_BYTES else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _installed(venv: Path) -> str:
    """The Python of an environment that has the requirements alone."""
    python = str(venv / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([python, *pip, "-r", str(REQUIREMENTS)], check=True)
    return python


def _packages_bytes(python: str) -> int:
    """What the packages take on the disk, and the library; not pip, which came with the environment."""
    packages = Path(python).parents[1] / "lib" / "python3.11" / "site-packages"
    ours = (ROOT / "evergreen").rglob("*.py")
    files = [path for path in packages.rglob("*") if not path.relative_to(packages).parts[0].startswith("pip")]
    return sum(path.stat().st_size for path in (*files, *ours) if path.is_file() and not path.is_symlink())


def _check_nothing_else(python: str) -> None:
    script = (
        "import importlib.util, sys\n"
        "def found(name):\n"
        "    try:\n"
        "        return importlib.util.find_spec(name) is not None\n"
        "    except ModuleNotFoundError:\n"
        "        return False\n"
        "print(*(name for name in sys.argv[1:] if found(name)))"
    )
    done = subprocess.run([python, "-c", script, *NOT_IN_IT], capture_output=True, text=True, check=True)
    if done.stdout.strip():
        raise EvergreenError(f"the image holds what no server by graphs needs: {done.stdout.strip()}")


def _model(folder: Path) -> TrainedModel:
    folder.mkdir()
    rows = tiny_text.headlines(60)
    parts = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
    splits = tiny_text.write_splits(folder / "splits", parts)
    task = tiny_text.task_with(tiny_text.write_encoder(folder / "encoder"), epochs=1)
    return trainable(task).train(splits, tiny_text.RecordingRun.below(folder))


if __name__ == "__main__":
    sys.exit(main())
