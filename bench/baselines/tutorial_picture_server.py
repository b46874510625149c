"""The same for pictures: Flask and torch, a picture at a time, its mask sent back as PNG.

python -m bench.baselines.tutorial_picture_server MODEL_DIR PORT
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any


def main(model_dir: str, port: str) -> int:
    """Serves until it is killed."""
    import numpy as np
    import torch
    from flask import Flask, jsonify, request
    from PIL import Image
    from torch.nn import functional

    from evergreen.tasks.image_segmentation.model import ARCHITECTURES

    task = json.loads(Path(model_dir, "task.json").read_text(encoding="utf-8"))["task"]
    architecture = ARCHITECTURES[task["architecture"]]
    size, network = task["image_size"], architecture.load(Path(model_dir)).eval()
    mean, std = (np.array(values, dtype=np.float32) for values in (architecture.mean, architecture.std))
    app = Flask(__name__)

    def mask_of(encoded: str) -> dict[str, Any]:
        picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
        values = np.asarray(picture.resize((size, size)), dtype=np.float32) / 255
        inputs = torch.from_numpy(((values - mean) / std).transpose(2, 0, 1)[None])
        with torch.no_grad():
            logits = network(pixel_values=inputs).logits
        logits = functional.interpolate(logits, size=picture.size[::-1], mode="bilinear")
        out = io.BytesIO()
        Image.fromarray(logits.argmax(dim=1)[0].byte().numpy()).save(out, format="PNG")
        return {"mask": base64.b64encode(out.getvalue()).decode(), "width": picture.width, "height": picture.height}

    @app.post("/predict")
    def predict() -> Any:
        return jsonify(predictions=[mask_of(instance["image"]) for instance in request.get_json()["instances"]])

    app.run(host="127.0.0.1", port=int(port))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
