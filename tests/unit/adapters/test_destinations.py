from pathlib import Path

import pytest

from evergreen.adapters.bigquery.destination import BigQueryDestination
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.destination import FilesDestination
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.preparation import Prepared


def test_a_destination_is_what_the_source_reads() -> None:
    table = BigQuerySettings(project="local-project", table="news.articles")
    assert source_of(table).destination(windowed=True) == BigQueryDestination(table, filtered=True)
    files = FilesSettings(path="gs://news/prepared")
    assert source_of(files).destination(windowed=True) == FilesDestination(files)


def test_what_a_query_reads_is_no_destination(tmp_path: Path) -> None:
    source = BigQuerySettings(project="local-project", query_file="configs/sql/news.sql")
    with pytest.raises(InputError, match=r"set source\.table"):
        source_of(source).destination(windowed=True).store(Prepared(tmp_path, {}), append=False)


def test_generated_pictures_are_no_destination() -> None:
    with pytest.raises(InputError, match=r"kind shapes is read, never written \(allowed: bigquery, files\)"):
        source_of(ShapesSettings()).destination(windowed=False)
