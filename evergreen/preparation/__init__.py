"""Rows of many files made ready for training by Apache Beam: on this machine's processors, or on Dataflow.

preparation = Preparation(origin=FilesSettings(path="gs://pets/raw/*.tfrec", format="tfrecord"), image_size=128)
prepare(plan_of(preparation, task, source))
"""

from evergreen.preparation.settings import MOST_WORKERS, AnyRunner, DataflowRunner, LocalRunner, Preparation

__all__ = ["MOST_WORKERS", "AnyRunner", "DataflowRunner", "LocalRunner", "Preparation"]
