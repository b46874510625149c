"""What a person sees: of an error one line (the traceback only with --debug), of ZenML what matters."""

from __future__ import annotations

import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from commands.termination import TERMINATED, Terminated
from evergreen.core.errors import EvergreenError, own_error
from orchestration.zenml_logs import plain_without_a_terminal

INTERRUPTED = 130
STEP_LOGGERS = ("zenml.orchestrators.", "zenml.execution.")
OWN_LOGGERS = ("evergreen.", "steps.", "orchestration.", "commands.")
HARMLESS = (
    "Failed to disable MLflow autologging",  # once a step, for frameworks that are not installed
    "Failed to run step",  # with the error, which ends the command's output
    "Received signal",  # the command says itself that it stops, and what has ended
    "Skipping step",  # each step after one that failed, which is told once
)


@dataclass
class Outcome:
    """The exit code of a command, and of an error the text that was printed."""

    code: int = 0
    message: str = ""


@contextmanager
def report_errors(*, debug: bool) -> Iterator[Outcome]:
    """Turns what the block raises into `error: …` on stderr and an exit code."""
    outcome = Outcome()
    try:
        yield outcome
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        outcome.code = INTERRUPTED
    except Terminated:
        print("terminated", file=sys.stderr)
        outcome.code = TERMINATED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            # Python's own flush at exit must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            outcome.code = 1
            return
        if debug:
            traceback.print_exc()
        own = own_error(error) or _plain(error)
        outcome.message = str(own) if own else _shown(error, debug=debug)
        outcome.code = own.exit_code if own else 1
        print(f"error: {outcome.message}", file=sys.stderr)


def set_verbosity(*, shows_steps: bool, debug: bool) -> None:
    """Tells ZenML and MLflow, before they are imported, how much to say; what the user's environment says wins.

    ZenML logs to stdout, other libraries' messages too: a command whose output is read by programs shows errors only.
    """
    if not debug:
        warnings.filterwarnings("ignore", "You are using a Python version", FutureWarning)  # each of Google's clients
        logging.getLogger("httpx").setLevel(logging.WARNING)  # tells every request
        os.environ.setdefault("ZENML_LOGGING_VERBOSITY", "INFO" if shows_steps else "ERROR")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    plain_without_a_terminal()


@contextmanager
def quiet_zenml(*, debug: bool) -> Iterator[None]:
    """Shows messages of steps and warnings only, and raises what a step raised instead of ZenML's summary of it.

    ZenML's local orchestrator logs a failing step's exception and then raises a RuntimeError that knows nothing of it.
    """
    import zenml.logger

    zenml.logger.init_logging()
    consoles = [
        handler for handler in logging.getLogger().handlers if isinstance(handler, zenml.logger.ZenMLConsoleHandler)
    ]
    chatter = _Chatter(debug=debug)
    for console in consoles:
        console.addFilter(chatter)
    try:
        yield
    except RuntimeError as error:
        if chatter.step_error is None:
            raise
        raise own_error(chatter.step_error) or chatter.step_error from error
    finally:
        for console in consoles:
            console.removeFilter(chatter)


class _Chatter(logging.Filter):
    """Keeps the last step's exception, and drops the messages that no one reads."""

    def __init__(self, *, debug: bool) -> None:
        super().__init__()
        self.debug = debug
        self.step_error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the console shows the record."""
        from_step = record.name.startswith(STEP_LOGGERS)
        if from_step and record.exc_info and record.exc_info[1] is not None:
            self.step_error = record.exc_info[1]
            return self.debug
        if self.debug:
            return True
        if record.getMessage().startswith(HARMLESS):
            return False
        return from_step or record.name.startswith(OWN_LOGGERS) or record.levelno >= logging.WARNING


def _reader_has_gone() -> bool:
    """Whether it is stdout whose other end was closed, e.g. by `| head`; sockets and other pipes break too."""
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced by something without a descriptor
        return False
    poll = select.poll()
    poll.register(stdout, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _plain(error: Exception) -> EvergreenError | None:
    from commands.causes import plain_cause

    return plain_cause(error)


def _shown(error: Exception, *, debug: bool) -> str:
    from evergreen.core.quoting import without_rows

    text = without_rows(str(error).strip()) or "no message"
    more = "" if debug else "\n(this was not expected; --debug shows where it came from)"
    return f"{type(error).__name__}: {text}{more}"
