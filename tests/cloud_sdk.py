"""Commands and options of gcloud and bq that documents and the doctor use, for machines that have neither.

`cloud_sdk.json` was read out of an installed Cloud SDK: of gcloud's static completions and of the options that bq's own
commands define. `python -m tests.cloud_sdk` reads it anew, for every command that the guide shows.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_name("cloud_sdk.json")
GUIDE = ROOT / "docs" / "production.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
INNER = re.compile(r"\$\(((?:gcloud|bq) (?:'[^']*'|[^()'])*)\)")
DEFINED = re.compile(r"DEFINE_(\w+)\(\s*'(\w+)'(.*?)\n    \)", re.DOTALL)
SHORT = re.compile(r"short_name='(\w)'")
BQ_FILES = {"query": "query", "mk": "make", "rm": "delete", "ls": "list", "show": "show", "update": "update"}
"""bq's commands by the names of their files."""

OF_THE_DOCTOR = (
    "gcloud access-context-manager policies list",
    "gcloud alpha services quota list",
    "gcloud beta quotas preferences create",
    "gcloud compute networks subnets update",
    "gcloud logging sinks update",
)
"""What it prints besides the guide's commands."""

Table = Mapping[str, Mapping[str, Sequence[str]]]
"""By tool and command, the options; those of every command stand under the command ''."""


def shell_lines(text: str) -> list[str]:
    """Every line of a document's shell blocks, continued lines joined."""
    joined = "".join(BLOCK.findall(text)).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines()]


def calls(line: str) -> Iterator[list[str]]:
    """The calls of gcloud and bq in a line of a shell, as words; what a substitution calls comes after its line."""
    for inner in INNER.findall(line):
        yield shlex.split(inner)
    lexer = shlex.shlex(INNER.sub("VALUE", line), posix=True, punctuation_chars="();|&<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();|&<>"):
            first = next((place for place, word in enumerate(words) if word in {"gcloud", "bq"}), None)
            if first is not None and set(words[:first]) <= {"again", "do"}:
                yield words[first:]
            words = []
        else:
            words.append(word)


def mistake(call: Sequence[str], table: Table) -> str | None:
    """What is wrong with a call, or None."""
    tool, *words = call
    command = command_of(call, table)
    if command is None:
        return f"{' '.join(call)}: no such command"
    known = {*table[tool][""], *table[tool][command]}
    given = [word.partition("=")[0] for word in words if word.startswith("-")]
    unknown = [option for option in given if not known & {option, re.sub("^--no-?", "--", option)}]
    return f"{' '.join(call)}: no such option: {', '.join(unknown)}" if unknown else None


def command_of(call: Sequence[str], table: Table) -> str | None:
    """The longest command of the table with which a call begins, its options aside."""
    tool, *words = call
    plain = [word for word in words if not word.startswith("-")]
    for length in range(len(plain), 0, -1):
        if (name := " ".join(plain[:length])) in table[tool]:
            return name
    return None


def vendored() -> Table:
    """The table as it is kept."""
    table: Table = json.loads(FILE.read_text("utf-8"))
    return table


def read_sdk(sdk: Path, wanted: Sequence[Sequence[str]]) -> Table:
    """The table for these calls, out of an installed Cloud SDK."""
    scope: dict[str, Any] = {}
    exec((sdk / "data" / "cli" / "gcloud_completions.py").read_text("utf-8"), scope)  # noqa: S102 (Google's own file)
    tree = scope["STATIC_COMPLETION_CLI_TREE"]
    gcloud: dict[str, list[str]] = {"": sorted(tree["flags"])}
    for call in wanted:
        node, path = tree, list[str]()
        for word in call[1:] if call[0] == "gcloud" else ():
            if word not in node.get("commands", {}):
                break
            node, path = node["commands"][word], [*path, word]
        if path:
            gcloud[" ".join(path)] = sorted(node.get("flags", {}))
    bq = sdk / "platform" / "bq"
    return {
        "gcloud": dict(sorted(gcloud.items())),
        "bq": {"": _defined(bq / "bq_flags.py")}
        | {name: _defined(bq / "frontend" / f"command_{file}.py") for name, file in sorted(BQ_FILES.items())},
    }


def _defined(file: Path) -> list[str]:
    text = file.read_text("utf-8")
    options = {f"--{name}" for _, name, _ in DEFINED.findall(text)} | set(
        re.findall(r"DEFINE_\w+\(\n?\s*'(\w+)'", text)
    )
    names = {option if option.startswith("--") else f"--{option}" for option in options}
    return sorted(names | {f"-{short}" for short in SHORT.findall(text)})


def main() -> None:
    """Writes the table anew."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        sys.exit("gcloud is not installed: nothing to read its commands from")
    lines = [*shell_lines(GUIDE.read_text("utf-8")), *OF_THE_DOCTOR]
    wanted = [call for line in lines for call in calls(line)]
    table = read_sdk(Path(gcloud).resolve().parents[1], wanted)
    FILE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
