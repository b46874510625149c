"""Where prepared rows go: to what the source of a configuration reads."""

from __future__ import annotations

from evergreen.adapters import AnySource
from evergreen.adapters.bigquery import BigQuerySource
from evergreen.adapters.bigquery.load import BigQueryDestination
from evergreen.adapters.files import FilesSource
from evergreen.adapters.files.write import FilesDestination
from evergreen.core.errors import InputError
from evergreen.data.prepare import Destination


def destination_of(source: AnySource, *, windowed: bool) -> Destination:
    """The destination that `source` reads; `windowed` sources always name a range of times.

    Raises:
        InputError: rows cannot be written where this kind of source reads them.
    """
    if not isinstance(source, FilesSource | BigQuerySource):
        raise InputError(
            f"a source of kind {source.kind} is read, never written (allowed: bigquery, files); name another --config"
        )
    if source.label_names is not None:
        raise InputError("source.label_names would name prepared labels once more; remove it from the configuration")
    if source.joined:
        raise InputError(
            "source.columns.text joins columns, which prepared rows have not; map the one column that they are to have"
        )
    if isinstance(source, FilesSource):
        return FilesDestination(source)
    return BigQueryDestination(source, filtered=windowed)
