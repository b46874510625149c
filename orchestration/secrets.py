"""Secret values kept out of configurations: ZenML stores what is written or filled in there with every run.

token_env: HF_TOKEN          # the variable's name; ZenML's `secrets:` puts its value into the steps' environment
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from orchestration.document import PLACEHOLDER, Document, walk
from orchestration.mistakes import Mistake, YamlPath

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(hf_|ghp_|gho_|github_pat_|glpat-|sk-|ya29\.|AIza|AKIA|xox[abp]-|ZENKEY_)[A-Za-z0-9_\-]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[^\s:/@]*:[^\s@]+@"  # a URL with a password
)
SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD)$|(^|_)(SECRET|TOKEN|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS)$", re.IGNORECASE
)
INSTEAD = "list a ZenML secret under secrets:"


def check_secrets(document: Document) -> Iterator[Mistake]:
    """Mistakes wherever a secret value is, or seems to be, written or filled in; the messages hold no value."""
    filled = dict(walk(document.values))
    for path, written in walk(document.written):
        if path and not isinstance(written, dict | list) and (message := _wrong(path, written, str(filled[path]))):
            yield Mistake(path, message)


def _wrong(path: YamlPath, written: Any, filled: str) -> str | None:
    """What is wrong with one value, as written and as filled in from the environment."""
    name, text = str(path[-1]), str(written)
    variables = PLACEHOLDER.findall(text)
    secret = next((one for one in variables if SECRET_NAME.search(one)), None)
    if secret and name.endswith("_env"):
        return f"should be the name of an environment variable: {secret}, without ${{}}"
    if secret:
        return f"${{{secret}}} would store a secret from the environment with every run; {INSTEAD}"
    if any(TOKEN.search(value) for value in (filled, *(os.environ.get(one, "") for one in variables))):
        return f"looks like a secret (value not shown); keep it as a ZenML secret and {INSTEAD}"
    if name.endswith("_env") and isinstance(written, str) and not VARIABLE.fullmatch(written):
        return "should be the name of an environment variable, e.g. HF_TOKEN (value not shown)"
    if "environment" in path[:-1] and written is not None and SECRET_NAME.search(name):
        source = "an environment variable" if variables else "this file"
        return f"would store a secret from {source} with every run; {INSTEAD}"
    return None
