"""What a version's requests are compared with: what its server would have noted of rows whose truth is known.

A reference directory:

    manifest.json    {"files": […], "kind": "text_classification", "labels": ["business", …], "engine": "int8", …}
    rows.parquet     features, sketch, prediction, score, probabilities, embedding, label
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from evergreen.core.artifacts import DirectoryArtifact, Manifest
from evergreen.core.errors import InputError
from evergreen.requestlog.arrow import SCHEMA

ROWS_NAME = "rows.parquet"
MOST_ROWS = 5_000
LABEL = "label"
NOTED = ("features", "sketch", "prediction", "score", "probabilities", "embedding")
ROWS = pa.schema([*(SCHEMA.field(name) for name in NOTED), pa.field(LABEL, pa.string())])
"""`label` is the true one, null where a row has none, such as a picture with its mask."""


class ReferenceManifest(Manifest):
    """`kind` is the task's, `labels` are in the order of the probabilities, `engine` computed the answers of so many
    `rows`, and `version` is the model's.
    """

    kind: str
    labels: tuple[str, ...]
    engine: str
    rows: int
    version: str


class Reference(DirectoryArtifact[ReferenceManifest]):
    """Reference rows: validation and test rows as the log would have them, with their labels."""

    manifest_type = ReferenceManifest

    def table(self) -> pa.Table:
        """The rows, in the columns of ROWS.

        Raises:
            InputError: they cannot be read, or have other columns.
        """
        import pyarrow.parquet as pq

        path = self.path / ROWS_NAME
        try:
            return pq.read_table(path, columns=ROWS.names).cast(ROWS)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise InputError(
                f"the reference's rows at {path} cannot be read: {error}; train the version anew"
            ) from error

    def check(self, kind: str, labels: Sequence[str]) -> None:
        """Returns when it is one of this task.

        Raises:
            InputError: it is of another kind, or of other labels.
        """
        mine, theirs = (self.manifest.kind, self.manifest.labels), (kind, tuple(labels))
        if mine != theirs:
            raise InputError(
                f"the reference of version {self.manifest.version} is of {_words(*mine)}, the model is one of "
                f"{_words(*theirs)}; give the reference of the version that answers"
            )


def _words(kind: str, labels: Sequence[str]) -> str:
    return f"{kind} with the labels {', '.join(labels) or 'none'}"
