"""Google Cloud Storage: the one way into a bucket, and trained models that are copied there and back."""

from evergreen.adapters.gcs.bucket import check_bucket, read_bytes
from evergreen.adapters.gcs.failures import StorageError
from evergreen.adapters.gcs.models import copy_from, copy_to

__all__ = ["StorageError", "check_bucket", "copy_from", "copy_to", "read_bytes"]
