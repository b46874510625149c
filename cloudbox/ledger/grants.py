"""The roles that a guide grants, read from its shell blocks.

    for role in aiplatform.user logging.logWriter; do
      gcloud projects add-iam-policy-binding p --member serviceAccount:$ACCOUNT --role roles/$role --condition None
    done

Names in capitals are taken from the environment; `for` loops over words are unrolled, one level deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Template
from typing import NamedTuple

_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LOOP = re.compile(r"for (\w+) in (.+); do")
ROLE = re.compile(r"roles/[\w.]+")
MEMBER = re.compile(r"serviceAccount:([^\s'\"]+)")
_BUCKET = re.compile(r"\$\{(\w+)#gs://\}")


class Grant(NamedTuple):
    """A role of an account; on the whole project, or on one bucket, data set, account or repository."""

    account: str
    role: str
    on_project: bool


def granted(guide: str, environment: Mapping[str, str]) -> set[Grant]:
    """Every grant in the shell blocks of a Markdown text."""
    grants = set()
    for line in shell_lines(guide, environment):
        role, member = ROLE.search(line), MEMBER.search(line)
        if role and member and ("add-iam-policy-binding" in line or "GRANT " in line):
            grants.add(Grant(member[1], role[0], "gcloud projects add-iam-policy-binding" in line))
    return grants


def shell_lines(guide: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The lines of a Markdown text's shell blocks, as a shell would fill and repeat them."""
    for block in _BLOCK.findall(guide):
        yield from _unrolled(block.replace("\\\n", " "), environment)


def _unrolled(block: str, environment: Mapping[str, str]) -> Iterator[str]:
    name, values = "", [""]
    for line in block.splitlines():
        if loop := _LOOP.search(line):
            name, values = loop[1], loop[2].split()
        elif line.strip() == "done":
            name, values = "", [""]
        else:
            for value in values:
                bare = _BUCKET.sub(lambda match: environment.get(match[1], "").removeprefix("gs://"), line)
                yield Template(Template(bare).safe_substitute({name: value})).safe_substitute(environment)
