from pathlib import Path

import pytest

from evergreen.adapters import BigQuerySource, FilesSource, ShapesSource
from evergreen.adapters.bigquery.load import BigQueryDestination
from evergreen.adapters.destinations import destination_of
from evergreen.adapters.files.write import FilesDestination
from evergreen.core.errors import InputError
from evergreen.data.prepare import Prepared


def test_a_destination_is_what_the_source_reads() -> None:
    table = BigQuerySource(project="local-project", table="news.articles")
    assert destination_of(table, windowed=True) == BigQueryDestination(table, filtered=True)
    files = FilesSource(path="gs://news/prepared")
    assert destination_of(files, windowed=True) == FilesDestination(files)


def test_what_a_query_reads_is_no_destination(tmp_path: Path) -> None:
    source = BigQuerySource(project="local-project", query_file="configs/sql/news.sql")
    with pytest.raises(InputError, match=r"set source\.table"):
        destination_of(source, windowed=True).store(Prepared(tmp_path, {}), append=False)


def test_generated_pictures_are_no_destination() -> None:
    with pytest.raises(InputError, match=r"kind shapes is read, never written \(allowed: bigquery, files\)"):
        destination_of(ShapesSource(), windowed=False)
