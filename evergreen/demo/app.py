"""The page of one model: the task gives its input and output, the predictor is the one behind the endpoint.

page("model", [{"text": "Shares rose on Monday"}]).launch()
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import presentable, servable
from evergreen.tasks import load_task

TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 (the name of a variable)


def published_model(repository: str, revision: str) -> Path:
    """The folder of a published model, downloaded and checked file by file.

    Raises:
        InputError: it cannot be read with the token in HF_TOKEN, or is damaged.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        token = os.environ.get(TOKEN_VARIABLE)
        folder = Path(snapshot_download(repository, revision=revision, token=token))
    except HfHubHTTPError as error:
        raise InputError(
            f"{repository} at {revision} cannot be read ({error.response.status_code}); a private model needs a secret "
            f"{TOKEN_VARIABLE} of this Space that holds a token which may read it"
        ) from error
    TrainedModel.open(folder).check_files()
    return folder


def page(model_dir: Path, examples: Sequence[Mapping[str, Any]], title: str = "", description: str = "") -> Any:
    """The page (a Gradio interface), not yet launched."""
    import gradio

    task = load_task(model_dir)
    demo, predictor = presentable(task).demo(), servable(task).load(model_dir)

    def answer(value: Any) -> Any:
        try:
            batch = predictor.decode([demo.instance(value)])
            return demo.shown(value, predictor.encode(predictor.predict(batch))[0])
        except EvergreenError as error:
            raise gradio.Error(str(error).removeprefix("instances[0]: ")) from error

    return gradio.Interface(
        answer,
        inputs=demo.input(),
        outputs=demo.output(),
        examples=[[demo.value(example)] for example in examples] or None,
        cache_examples=False,
        flagging_mode="never",
        api_name="predict",
        title=title,
        description=description,
    )
