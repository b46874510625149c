"""Whether ZenML and MLflow can be reached by steps that run elsewhere, and hold the secrets that they need."""

from __future__ import annotations

from collections.abc import Iterator

from commands.cloud.needs import Needs
from commands.machine import Finding

ANSWER_WITHIN_S = 10.0
CREDENTIALS_WANTED = {401, 403}


def check_zenml(needs: Needs) -> Iterator[Finding]:
    """Whether a server keeps ZenML's records: steps on Vertex AI cannot reach a database of this machine."""
    from stacks.server import remote_store

    url = remote_store()
    if url is None:
        message = f"ZenML keeps its records on this machine, where tasks in {needs.region} cannot reach them"
        yield Finding("zenml server", False, message, "zenml login https://your-zenml-server")
    else:
        yield Finding("zenml server", True, url)


def check_mlflow(needs: Needs) -> Iterator[Finding]:
    """Whether MLflow answers; one that asks for credentials does."""
    import httpx

    from evergreen.core.addresses import without_password

    if not needs.mlflow:
        return
    url = without_password(needs.mlflow)
    fix = (
        "sh infra/secrets.sh && docker compose -f infra/compose.yaml up --detach mlflow\n"
        "export MLFLOW_TRACKING_URI=…; python -m stacks.apply vertex"
    )
    try:
        answer = httpx.get(f"{needs.mlflow.rstrip('/')}/health", timeout=ANSWER_WITHIN_S, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding("mlflow server", False, f"{url} does not answer: {error}", fix)
        return
    fine = answer.is_success or answer.status_code in CREDENTIALS_WANTED
    yield Finding("mlflow server", fine, url if fine else f"{url} answers {answer.status_code}", fix)


def check_secrets(needs: Needs) -> Iterator[Finding]:
    """ZenML secrets that the stack or the configuration names; no value is read out."""
    from zenml.client import Client

    for name, keys in sorted(needs.secrets.items()):
        wanted = " ".join(f"--{key}=…" for key in sorted(keys)) or "--NAME=…"
        try:
            present = set(Client().get_secret(name).values)
        except KeyError:
            yield Finding("secret", False, f"ZenML has no secret '{name}'", f"zenml secret create {name} {wanted}")
            continue
        missing = sorted(keys - present)
        message = f"'{name}' lacks {', '.join(missing)}" if missing else f"'{name}' is there"
        yield Finding("secret", not missing, message, f"zenml secret update {name} {wanted}")
