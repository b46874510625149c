"""A text that must not be read in messages and logs goes through sources, validation, the server and predict."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.answers import predictions_in
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import examinable, servable, source_of
from evergreen.runtime.processes import free_port, library_environment
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification
from tests.keyword_model import COMMAND, write_keyword_model
from tests.waiting import wait_until

SECRET = "the patient has told nobody of her illness"
TEXT = f"Dear doctor, since Monday {SECRET}"
COLUMNS = {"text": "text", "label": "label"}


def read(path: Path, **fields: object) -> None:
    source = FilesSettings.model_validate({"kind": "files", "path": str(path), "columns": COLUMNS, **fields})
    source_of(source).read(None, path.parent / "out")


def too_many_fields(folder: Path) -> None:
    (folder / "rows.csv").write_text(f"text,label\nfine,a\n{TEXT},a,b,c\n")
    read(folder / "rows.csv")


def no_time(folder: Path) -> None:
    (folder / "rows.csv").write_text(f'text,label,at\nfine,a,"{TEXT}"\n')
    read(folder / "rows.csv", columns={**COLUMNS, "timestamp": "at"})


def no_json(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(f'{{"text": "{TEXT}", "label": }}\n')
    read(folder / "rows.jsonl")


def columns_confused(folder: Path) -> None:
    rows = "".join(f'{number} {TEXT},"{TEXT} {number}"\n' for number in range(30))
    (folder / "rows.csv").write_text(f"text,label\n{rows}")
    source = FilesSettings.model_validate({"kind": "files", "path": str(folder / "rows.csv"), "columns": COLUMNS})
    dataset = source_of(source).read(None, folder / "out")
    examinable(TextClassification(encoder="package://none/none", labels=("a", "b"))).examine(dataset)


def picture_that_is_a_text(_: Path) -> None:
    servable(ImageSegmentation(labels=("a", "b"))).instance(TEXT)


def answer_that_repeats(_: Path) -> None:
    predictions_in(TEXT, "http://127.0.0.1/predict", 1)


@pytest.mark.parametrize(
    "failing",
    [too_many_fields, no_time, no_json, columns_confused, picture_that_is_a_text, answer_that_repeats],
)
def test_an_error_quotes_no_more_than_a_few_characters_of_a_row(
    tmp_path: Path, failing: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(EvergreenError) as caught:
        failing(tmp_path)
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_neither_the_answers_nor_the_log_of_a_server_repeat_a_text(tmp_path: Path) -> None:
    write_keyword_model(tmp_path / "model")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = library_environment({"AIP_STORAGE_URI": str(tmp_path / "model"), "AIP_HTTP_PORT": str(port)})
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(COMMAND, env=environment, stdin=subprocess.PIPE, stderr=log, stdout=log)
    try:
        wait_until(lambda: answers(url), timeout_s=30)
        bodies: list[object] = [{"instances": [{"text": text}]} for text in (TEXT, "")]
        bodies += [{"instances": [TEXT]}, {"instances": [{TEXT: TEXT}]}, {"instances": TEXT}]
        responses = [httpx.post(f"{url}/predict", json=body, trust_env=False, timeout=30).text for body in bodies]
    finally:
        server.kill()
        server.communicate()
    assert all(SECRET not in line for line in responses)
    assert SECRET not in (tmp_path / "server.log").read_text()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def test_predict_names_a_row_of_a_table_by_its_number(tmp_path: Path) -> None:
    from evergreen.adapters.files.rows import read_rows

    (tmp_path / "rows.jsonl").write_text(f'{{"text": "{TEXT}"\n')
    fields = FilesSettings.model_validate({"kind": "files", "path": "rows.jsonl", "columns": COLUMNS})
    with pytest.raises(InputError, match=r"rows\.jsonl:1 is not JSON") as caught:
        list(read_rows(tmp_path / "rows.jsonl", fields))
    assert SECRET not in str(caught.value)
