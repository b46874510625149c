"""Someone who has a token for reading alone: the files of a Space, and the masks of the published revision.

`python published_pets.py REPOSITORY REVISION PICTURE…`, run where nothing of the project lies but the Space's files,
prints a JSON list of the predictions of a model loaded with `from_pretrained`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from evergreen.demo.app import published_model
from evergreen.tasks import load_task
from evergreen.tasks.image_segmentation.servable import ImageServing
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.image_segmentation.unet import MobileNetV2UNet


def main(repository: str, revision: str, *pictures: str) -> None:
    task = load_task(published_model(repository, revision))
    assert isinstance(task, ImageSegmentation)
    network: Any = MobileNetV2UNet.from_pretrained(repository, revision=revision, token=os.environ["HF_TOKEN"])
    predictor = ImageServing(task).predictor(network.eval())
    batch = predictor.decode([ImageServing(task).instance(Path(one).read_bytes()) for one in pictures])
    sys.stdout.write(json.dumps(predictor.encode(predictor.predict(batch))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
