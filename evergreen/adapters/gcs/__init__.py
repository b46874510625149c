"""Google Cloud Storage: the one way into a bucket, and trained models that are copied there and back."""

from evergreen.adapters.gcs.bucket import check_bucket
from evergreen.adapters.gcs.failures import StorageError
from evergreen.adapters.gcs.models import bring, copy_from, copy_to
from evergreen.adapters.gcs.reading import objects

__all__ = ["StorageError", "bring", "check_bucket", "copy_from", "copy_to", "objects"]
