"""`python -m tests.proof --project my-project`: see the package."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from commands.github.projects import names_of
from commands.termination import sigterm_raises
from evergreen.core.errors import EvergreenError, InputError
from orchestration.costs import load_prices
from tests.proof.cassettes import FILE, read
from tests.proof.plan import ROOT, Stage, priced, stages, write_small
from tests.proof.removal import Place, remove

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_S = 300
"""How long a command may take to end once it is interrupted."""
NEEDED = ("EVERGREEN_PIPELINE_IMAGE", "EVERGREEN_SERVING_IMAGE", "MLFLOW_TRACKING_URI")


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 proven and removed, 1 not all of it, 2 bad input or not agreed to, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="make gcp")
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", default=os.environ.get("GOOGLE_CLOUD_REGION", "europe-west4"))
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument("--remove", action="store_true", help="only remove what an earlier one has left")
    args = parser.parse_args(argv)
    try:
        environment = environment_of(args.project, args.region)
        place = Place(args.project, args.region, environment["EVERGREEN_BUCKET"])
        if args.remove:
            return _told(remove(place))
        missing = [name for name in NEEDED if not environment.get(name)]
        if missing:
            raise InputError(f"not set: {', '.join(missing)}; do sections 1 to 5 of docs/production.md first")
        with TemporaryDirectory(prefix="evergreen-proof-") as folder:
            write_small(Path(folder))
            planned = stages(Path(folder))
            lines, usd = priced(planned, load_prices(), args.region)
            print("\n".join(lines))
            agree(args.project, usd, yes=args.yes)
            os.environ.update(environment)
            return prove(planned, environment, lambda: remove(place))
    except EvergreenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def environment_of(project: str, region: str) -> dict[str, str]:
    """The names of the guide, as far as the shell does not say otherwise, and those of the contract's tests.

    Raises:
        InputError: the shell is set up for another project.
    """
    own = os.environ.get("GOOGLE_CLOUD_PROJECT", project)
    if own != project:
        raise InputError(f"this shell is set up for project {own}, not {project}; source the names of that one")
    environment = {**names_of(project, region), **os.environ, "GOOGLE_CLOUD_PROJECT": project}
    contract = {
        "EVERGREEN_TEST_PROJECT": project,
        "EVERGREEN_TEST_REGION": region,
        "EVERGREEN_TEST_STAGING": f"{environment['EVERGREEN_BUCKET']}/proof/contract",
        "EVERGREEN_TEST_IMAGE": environment.get("EVERGREEN_SERVING_IMAGE", ""),
        "EVERGREEN_TEST_SERVICE_ACCOUNT": environment["EVERGREEN_SERVING_ACCOUNT"],
        "EVERGREEN_TEST_CASSETTE": str(FILE),
    }
    return {**environment, **contract}


def agree(project: str, usd: float, *, yes: bool) -> None:
    """Returns when somebody agrees to spend.

    Raises:
        InputError: nobody did.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"nobody is there to agree to about {usd:.2f} USD; make gcp PROJECT={project} YES=1")
    if input(f"spend about {usd:.2f} USD in {project}? Type its id to go on: ").strip() != project:
        raise InputError("not agreed to; nothing was made")


def prove(planned: Sequence[Stage], environment: dict[str, str], removal: Callable[[], list[str]]) -> int:
    """Runs the stages; whatever ends them, `removal` comes last, and is not interrupted."""
    failed, code = list[str](), 0
    try:
        with sigterm_raises():
            signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # the terminal was closed
            for stage in planned:
                if not _run(stage, environment):
                    failed.append(stage.name)
                    if stage.gate:
                        break
    except (KeyboardInterrupt, SystemExit):
        code = INTERRUPTED
    finally:
        _undisturbed()
        print("removing everything that was made; this goes on whatever you press", flush=True)
        left = _told(removal())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    if recorded := read(FILE):
        print(f"answers of {len(recorded)} methods are recorded in {FILE.relative_to(ROOT)}; commit it")
    return code or left or bool(failed)


def _run(stage: Stage, environment: dict[str, str]) -> bool:
    """Whether all commands of the stage succeeded; the first that fails ends it."""
    for command in stage.commands:
        print(f"{stage.name}: {' '.join(command[1:])}", flush=True)
        # In a session of its own a terminal's Ctrl-C does not come to it as well: two would cut off what one begins.
        process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        try:
            code = process.wait()
        except BaseException:
            _undisturbed()
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(timeout=LAST_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise
        if code:
            return False
    return True


def _undisturbed() -> None:
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)


def _told(left: list[str]) -> int:
    if left:
        print("left in the project, and costing money:\n  " + "\n  ".join(left), file=sys.stderr)
        return 1
    print("nothing of the proof is left in the project")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
