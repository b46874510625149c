"""Arguments of every command; `run` is what happens when none is named.

python run.py --config local.yaml
python run.py predict --config local.yaml "Shares fell after the central bank raised rates"
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from commands.console import report_errors, set_verbosity
from commands.termination import sigterm_raises

Add = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Command:
    """One command: `commands/<name>.py` holds its `main(args)`, imported when it runs."""

    name: str
    summary: str
    example: str
    add_arguments: Add
    takes_config: bool = True
    takes_name: bool = False


def main(argv: Sequence[str]) -> int:
    """The exit code of one command: 0 done, 1 failed, 2 bad input, 130 interrupted, 143 terminated."""
    args = parse(argv)
    set_verbosity(shows_steps=args.command in {"run", "cases", "approve"}, debug=args.debug)
    with report_errors(debug=args.debug) as outcome, sigterm_raises():
        outcome.code = import_module(f"commands.{args.command}").main(args) or 0
    return outcome.code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command, its name as `command`; a wrong one ends the process with 2."""
    named = bool(argv) and (not argv[0].startswith("-") or argv[0] in {"-h", "--help"})
    return _parser().parse_args(argv if named else ["run", *argv])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Takes a model from rows to a safe live endpoint, and keeps it there.",
        epilog="example: python run.py --config local.yaml\n\nWithout a command, `run` is meant. "
        "Each command has its own --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = commands.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=f"example: {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if command.takes_config:
            subparser.add_argument(
                "--config", required=True, metavar="FILE", help="a file in configs/, or a path to one"
            )
        if command.takes_name:
            subparser.add_argument(
                "--name", metavar="MODEL", help="model and endpoint, instead of parameters.model_name"
            )
        subparser.add_argument("--debug", action="store_true", help="show tracebacks and all of ZenML's messages")
        command.add_arguments(subparser)
    return parser


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-cache", action="store_true", help="run every step again")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check configuration, stack, source and task; print the plan; run no step",
    )
    parser.add_argument(
        "--outcome",
        type=Path,
        metavar="FOLDER",
        help="where challenger against champion goes, as outcome.json and outcome.md",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--scheduled",
        action="store_true",
        help="for a line of cron: refresh.cool_down, .on_code and .when hold as in a run by schedule",
    )
    asked.add_argument(
        "--window",
        type=_stretch,
        metavar="START..END",
        help="a backfill: train on the rows of a stretch of time, such as 2024-05-01..2024-05-08 in UTC, end excluded",
    )
    _named_run(parser)


def _stretch(text: str) -> dict[str, str]:
    """The start and end of `START..END`, each a day or an ISO 8601 time; those without a zone are in UTC."""
    parts = text.split("..")
    try:
        start, end = (datetime.fromisoformat(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no START..END of two days or times, such as 2024-05-01..2024-05-08T12:00Z"
        ) from None
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (start, end))
    return {"start": start.isoformat(), "end": end.isoformat()}


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-name", metavar="NAME", help="this run alone (default: all that have not ended)")


def _predict(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "item",
        nargs="?",
        help="one text, or the path of one picture; - or nothing reads one a line from standard input",
    )
    what.add_argument(
        "--input",
        metavar="ROWS",
        help="many rows: tables (.csv, .tsv, .jsonl or .parquet, text also with .gz), a folder or a pattern of them, "
        "also gs://…; or bq://project.dataset.table",
    )
    parser.add_argument(
        "--output",
        metavar="PLACE",
        help="where they go with their predictions: a table, a folder, also gs://…; or bq://project.dataset.table",
    )
    parser.add_argument(
        "--endpoint",
        action="store_true",
        help="ask the live endpoint about the rows of --input, instead of predicting them here by the champion",
    )
    parser.add_argument("--keep", type=_names, metavar="NAME,…", help="columns of the input to keep (default: all)")
    parser.add_argument("--append", action="store_true", help="add to the table bq://… instead of replacing its rows")
    parser.add_argument("--workers", type=_positive, help="processes on this machine (default: one a processor)")
    parser.add_argument(
        "--column",
        "--text-column",
        metavar="NAME",
        help="the input's column of texts or pictures (default: as in the configuration)",
    )
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=256,
        metavar="ROWS",
        help="most rows a request of --endpoint (default: 256)",
    )


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        metavar="ROWS",
        help="labelled rows instead of the configuration's: a file, a folder or a pattern, also gs://…; "
        "bq://project.dataset.table; or a YAML file whose source is read",
    )
    parser.add_argument(
        "--window", type=_stretch, metavar="START..END", help="the rows of a stretch of time, in UTC, end excluded"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, as the last line")
    _named_run(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _lineage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "asked",
        metavar="VERSION",
        help="a version, champion, previous or candidate; the trace id of an answer; a whole answer as JSON; or - for "
        "one on standard input",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runner",
        choices=("local", "dataflow"),
        help="where the rows of parameters.prepare are worked on (default: as configured, else local)",
    )
    parser.add_argument("--workers", type=_positive, help="processes on this machine (default: one a processor)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what parameters.prepare would do; for Dataflow the job is compiled, and nothing is sent",
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="SOURCE",
        help="instead of parameters.prepare, rows whose times are spread over the last days: owner/name on "
        "the Hugging Face Hub; a file, folder or pattern, also gs://…; package://NAME/PATH; or a "
        "YAML file whose source is read: a configuration, or a source alone",
    )
    parser.add_argument(
        "--columns", type=_pairs, default={}, metavar="NAME=COLUMN,…", help="e.g. text=content,label=category"
    )
    parser.add_argument(
        "--label-names", type=_pairs, metavar="VALUE=NAME,…", help="e.g. 0=World,1=Sports,2=Business,3=Sci/Tech"
    )
    parser.add_argument(
        "--days", type=_positive_number, default=4.0, help="spread the rows' times over this many days (default: 4)"
    )
    parser.add_argument("--end", default="now", metavar="TIME", help="where those days end, ISO 8601 (default: now)")
    parser.add_argument("--share", type=_share, default=1.0, help="of the rows, in (0, 1], by their ids (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the times and the share (default: 0)")
    parser.add_argument("--append", action="store_true", help="add to what was prepared before instead of replacing it")


def _schedule(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--cron",
        metavar="CRON",
        help='when to run, in UTC or after TZ=<zone>, e.g. "0 3 * * *" or "TZ=Europe/Berlin 0 3 * * *"; '
        "replaces the schedule that the model has",
    )
    what.add_argument("--list", action="store_true", help="show the model's schedule")
    what.add_argument("--delete", action="store_true", help="end the model's schedule; its runs stay")
    parser.add_argument(
        "--pipeline",
        choices=("training", "batch_prediction", "monitoring"),
        help="refuse a configuration of another pipeline (default: whichever it is of)",
    )


def _monitor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    _single_run(parser, "look at the requests of a stretch of time")


def _single_run(parser: argparse.ArgumentParser, backfill: str) -> None:
    """Arguments that a run of one step takes."""
    parser.add_argument("--dry-run", action="store_true", help="check all and print the plan; run no step")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--scheduled", action="store_true", help="for a line of cron")
    asked.add_argument(
        "--window",
        type=_stretch,
        metavar="START..END",
        help=f"{backfill}, such as 2024-05-01..2024-05-08 in UTC, end excluded",
    )
    _named_run(parser)


def _named_run(parser: argparse.ArgumentParser) -> None:
    """What every run is called, and whether it outlives its command."""
    parser.add_argument("--run-name", metavar="NAME", help="what the run is called (default: by date and time)")
    parser.add_argument(
        "--detach",
        action="store_true",
        help="on Vertex AI: let the run go on when this command is interrupted or terminated, which else stops it",
    )


def _access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", required=True, metavar="ID", help="one of the variable GOOGLE_PROJECTS")
    parser.add_argument("--region", required=True, metavar="REGION", help="e.g. europe-west4")
    parser.add_argument("--config", type=Path, metavar="FILE", help="tell the model of this configuration as well")
    parser.add_argument("--name", metavar="MODEL", help="the model instead of the configuration's")


def _images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tag", required=True, metavar="TAG", help="what the images are called, e.g. the commit")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be built; build and upload nothing")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--outcome", required=True, type=Path, metavar="FOLDER", help="what run --outcome FOLDER has written"
    )
    parser.add_argument("--commit", required=True, metavar="SHA", help="what was run")


def _cases(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="its folders with a config.yaml are the cases; ${CASES} is its path"
    )
    parser.add_argument("--case", metavar="NAME", help="this case alone")
    parser.add_argument("--train", action="store_true", help="the whole run too, to a live endpoint; a minute a case")
    parser.add_argument("--json", action="store_true", help="print one JSON object a case")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--send-test-alert",
        action="store_true",
        help="send a message by parameters.alerts, and tell whether it was taken",
    )


def _approve(parser: argparse.ArgumentParser) -> None:
    _answer(parser)
    parser.add_argument(
        "--detach",
        action="store_true",
        help="on Vertex AI: let the delivery go on when this command is interrupted or terminated, which else stops it",
    )


def _answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", help="the candidate, as `status` names it")
    parser.add_argument(
        "--why", type=_why, metavar="REASON", help="needed, in a few words: it is kept with the version"
    )


def _nothing(parser: argparse.ArgumentParser) -> None:
    """For commands without arguments of their own."""


def _why(text: str) -> str:
    from evergreen.core.approval import sentence

    try:
        return sentence(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number; give one such as 256") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _share(text: str) -> float:
    number = _positive_number(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"should be at most 1, got {text}")
    return number


def _positive_number(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _pairs(text: str) -> dict[str, str]:
    """`1=World,2=Sports` as a mapping; a `,` that no `=` follows belongs to the value before it."""
    pairs: dict[str, str] = {}
    for part in re.split(r",(?=[^,=]*=)", text):
        key, sign, value = part.partition("=")
        if not (key and sign and value) or key in pairs:
            raise argparse.ArgumentTypeError(f"'{part}' is not NAME=VALUE, each NAME once")
        pairs[key] = value
    return pairs


COMMANDS = (
    Command(
        "run",
        "runs the pipeline of a configuration on the active stack",
        "python run.py --config local.yaml",
        _run,
        takes_name=True,
    ),
    Command(
        "prepare",
        "fills what a configuration trains on: by its parameters.prepare, or with the rows of any data set",
        "python run.py prepare --config pets_prod.yaml\n"
        "         python run.py prepare --config prod.yaml --from ag_news.yaml\n"
        "         python run.py prepare --config prod.yaml --from train.csv --columns text=content "
        "--label-names 1=World,2=Sports,3=Business,4=Sci/Tech",
        _prepare,
    ),
    Command(
        "schedule",
        "runs a configuration again and again; the window moves with each run",
        'python run.py schedule --config prod.yaml --cron "0 3 * * *"',
        _schedule,
        takes_name=True,
    ),
    Command(
        "monitor",
        "looks at the requests of a window: whether the world moved away from what the champion was trained on",
        "python run.py monitor --config monitor.yaml",
        _monitor,
        takes_name=True,
    ),
    Command(
        "predict",
        "asks the live endpoint about texts or pictures, or predicts many rows by the champion itself",
        'python run.py predict --config local.yaml "Shares fell after the central bank raised rates"\n'
        "         python run.py predict --config local.yaml --input news.csv --output labelled.csv\n"
        "         python run.py predict --config prod.yaml --input bq://my-project.news.articles "
        "--output bq://my-project.news.labelled --keep id",
        _predict,
        takes_name=True,
    ),
    Command(
        "evaluate",
        "scores the live champion on labelled rows: report and page, no training",
        "python run.py evaluate --config local.yaml --source labelled.csv",
        _evaluate,
        takes_name=True,
    ),
    Command(
        "status",
        "shows champion, endpoint, traffic, last runs and where to look",
        "python run.py status --config local.yaml --json",
        _status,
        takes_name=True,
    ),
    Command(
        "lineage",
        "leads from a prediction or a version to the run, the rows and the code that it is of",
        "python run.py lineage --config local.yaml champion\n"
        "         curl … | python run.py lineage --config local.yaml -",
        _lineage,
        takes_name=True,
    ),
    Command(
        "stop",
        "ends the model's runs: cancels their jobs and puts the traffic back that they were changing",
        "python run.py stop --config prod.yaml",
        _stop,
        takes_name=True,
    ),
    Command(
        "deploy",
        "brings the champion live again where its endpoint was parked or lost; trains nothing",
        "python run.py deploy --config local.yaml",
        _nothing,
        takes_name=True,
    ),
    Command(
        "rollback",
        "gives the previous champion all the traffic again",
        "python run.py rollback --config local.yaml",
        _nothing,
        takes_name=True,
    ),
    Command(
        "approve",
        "lets a version through that waits for it, and brings it live",
        'python run.py approve 3fa41c02be17 --config prod.yaml --why "the report looks right"',
        _approve,
        takes_name=True,
    ),
    Command(
        "reject",
        "keeps a version out that waits for approval, and all others of its recipe",
        'python run.py reject 3fa41c02be17 --config prod.yaml --why "too slow for the shop"',
        _answer,
        takes_name=True,
    ),
    Command(
        "doctor",
        "tells what is missing to run a configuration here, with the line that fixes it",
        "python run.py doctor --config local.yaml",
        _doctor,
    ),
    Command(
        "teardown",
        "ends the model's schedule and deletes its endpoint; versions, reports, servers and buckets stay",
        "python run.py teardown --config local.yaml",
        _nothing,
        takes_name=True,
    ),
    Command(
        "access",
        "tells how GitHub signs in to a Google project, and what the things there are called",
        "python run.py access --project news-production --region europe-west4",
        _access,
        takes_config=False,
    ),
    Command(
        "images",
        "has Cloud Build build the images of the last commit, and tells their digests",
        "python run.py images --tag 1.0",
        _images,
        takes_config=False,
    ),
    Command(
        "report",
        "tells the commit's pull request on GitHub how the challenger did; fails when the gate kept it out",
        'python run.py report --outcome outcome --commit "$(git rev-parse HEAD)"',
        _report,
        takes_config=False,
    ),
    Command(
        "cases",
        "tries the configurations below a folder, and tells how each ends: for bug reports",
        "python run.py cases my-cases --train",
        _cases,
        takes_config=False,
    ),
)
