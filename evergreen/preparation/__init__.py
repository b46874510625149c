"""Rows of many files made ready for training by Apache Beam: on this machine's processors, or on Dataflow.

preparation = Preparation(origin=FilesSettings(path="gs://pets/raw/*.tfrec", format="tfrecord"), image_size=128)
prepare(plan_of(preparation, task, source))
"""

from evergreen.preparation.settings import AnyRunner, DataflowRunnerSettings, LocalRunnerSettings, Preparation

__all__ = ["AnyRunner", "DataflowRunnerSettings", "LocalRunnerSettings", "Preparation"]
