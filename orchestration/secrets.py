"""Secret values kept out of configurations: ZenML stores what is written there with every run.

token_env: HF_TOKEN          # the variable's name; ZenML's `secrets:` puts its value into the steps' environment
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestration.document import PLACEHOLDER, Document, walk
from orchestration.mistakes import Mistake

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
TOKEN = re.compile(
    r"(hf_|ghp_|gho_|github_pat_|glpat-|sk-|ya29\.|AIza|AKIA|xox[abp]-|ZENKEY_)[A-Za-z0-9_\-]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)
SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)$", re.IGNORECASE
)


def check_secrets(document: Document) -> Iterator[Mistake]:
    """Mistakes wherever a secret value is, or seems to be, written or filled in; the messages hold no value."""
    for path, value in walk(document.written):
        if not path or not isinstance(value, str):
            continue
        name = str(path[-1])
        if name.endswith("_env"):
            if not VARIABLE.fullmatch(value):
                yield Mistake(path, "should be the name of an environment variable, e.g. HF_TOKEN (value not shown)")
        elif TOKEN.search(value):
            yield Mistake(
                path, "looks like a secret (value not shown); keep it as a ZenML secret and list that under secrets:"
            )
        elif "environment" in path[:-1] and SECRET_NAME.search(name):
            source = "an environment variable" if PLACEHOLDER.search(value) else "this file"
            yield Mistake(
                path, f"would store a secret from {source} with every run; list a ZenML secret under secrets:"
            )
