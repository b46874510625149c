"""A loaded text classifier: what the server, the evaluation and batch prediction share.

[{"text": "Shares rose"}] → [TokenizedText([101, …])] → (1, 4) float32 → [{"label": "business", "score": 0.98, …}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import Splits
from evergreen.core.engines import EngineGraph, Engines, EngineVariant
from evergreen.core.errors import InstanceError
from evergreen.core.observation import Observation
from evergreen.core.predictors import Interface, Shape
from evergreen.core.protocols import Fetch
from evergreen.core.quoting import excerpts, kind
from evergreen.engines.session import Graph
from evergreen.tasks.budget import batches_within
from evergreen.tasks.libraries import loading, quiet_transformers, to_serve
from evergreen.tasks.text_classification.network import TextNetwork, TorchTextNetwork
from evergreen.tasks.text_classification.onnx_network import OnnxTextNetwork
from evergreen.tasks.text_classification.outputs import TextOutputs, observations, softmax
from evergreen.tasks.text_classification.parameters import parameters_schema, shape_of
from evergreen.tasks.text_classification.plain_tokens import PlainTokens
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.tokens import ReadsTexts, TokenizedText, Tokens

EXAMPLE_CHARS = 300
WARM_UP = tuple("a few words to begin with " * times for times in (1, 8, 32))


class TextServing:
    """Loads classifiers of texts, and makes what they are asked."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> TextPredictor:  # noqa: ARG002 - instances hold their texts
        """A predictor of the model in a trained-model directory; in half precision on the GPU where there is one.

        Raises:
            InputError: no usable model there.
        """
        import torch
        import transformers

        with loading("text classifier", model_dir), quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                model_dir, local_files_only=True, trust_remote_code=False
            )
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                model_dir,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
        model = to_serve(model.eval().requires_grad_(requires_grad=False))
        tokens = Tokens(tokenizer, self._task.max_length_tokens)
        tokens.of([""])  # the first call sets the tokenizer's truncation, which threads may not do at once
        network = TorchTextNetwork(model, tokens)
        return TextPredictor(network, tokens, self._task.labels, self._task.rules.max_text_chars)

    def load_engine(self, model_dir: Path, engine: EngineGraph, fetch: Fetch | None = None) -> TextPredictor:  # noqa: ARG002 - instances hold their texts
        """The same by a graph, without transformers and torch.

        Raises:
            InputError: no usable graph or tokenizer there.
        """
        tokens = PlainTokens.of(model_dir, self._task.max_length_tokens)
        graph = Graph(engine.path, engine.threads)
        network = OnnxTextNetwork(graph, engine.variant, tokens.pad_id, pad_left=tokens.pads_left)
        return TextPredictor(network, tokens, self._task.labels, self._task.rules.max_text_chars)

    def instance(self, value: object) -> dict[str, Any]:
        """What the endpoint is asked of a text."""
        return {self._task.input_field: value}

    def examples(self, splits: Splits, count: int = 3) -> list[dict[str, str]]:
        """The first `count` instances of the test split, as a client would send them, cut to EXAMPLE_CHARS.

        Blanks around a text go first: a cut that left blanks alone would be an instance that every version refuses.
        """
        from evergreen.data.shards import first_rows

        rows = first_rows(splits.shards("test"), ["text"], count)
        return [{"text": row["text"].strip()[:EXAMPLE_CHARS]} for row in rows]


class TextPredictor:
    """Predicts by its engine, one network for what is evaluated and what is served."""

    def __init__(self, network: TextNetwork, tokens: ReadsTexts, labels: tuple[str, ...], max_text_chars: int) -> None:
        self._network = network
        self._tokens = tokens
        self._labels = labels
        self._max_text_chars = max_text_chars

    def by(self, engines: Engines, variant: EngineVariant) -> TextPredictor:
        """The same model, computed by a graph. Raises InputError when that cannot be loaded."""
        graph = Graph(engines.file(variant))
        network = OnnxTextNetwork(graph, variant, self._tokens.pad_id, pad_left=self._tokens.pads_left)
        return TextPredictor(network, self._tokens, self._labels, self._max_text_chars)

    @property
    def engine(self) -> str:
        """What computes."""
        return self._network.engine

    @property
    def takes_turns(self) -> bool:
        """Whether one prediction is made at a time: on a GPU."""
        return self._network.takes_turns

    @property
    def budget(self) -> int:
        """Tokens of a batch, padded."""
        return self._network.budget

    def use_threads(self, count: int) -> None:
        """Lets the calling thread's next predictions use so many threads."""
        self._network.use_threads(count)

    def decode(self, instances: Sequence[Any]) -> list[TokenizedText]:
        """The texts in tokens.

        Raises:
            InstanceError: an instance is not `{"text": "…"}` with a text that is neither blank nor too long.
        """
        return self._tokens.read([self._text(index, instance) for index, instance in enumerate(instances)])

    def sizes(self, batch: Sequence[TokenizedText]) -> list[int]:
        """Tokens of each."""
        return [len(text.ids) for text in batch]

    def predict(self, batch: Sequence[TokenizedText]) -> TextOutputs:
        """Probabilities in the order of the labels: (rows, classes) float32."""
        lengths = np.array(self.sizes(batch), dtype=np.int64)
        probabilities = np.empty((len(batch), len(self._labels)), dtype=np.float32)
        embeddings: npt.NDArray[np.float32] | None = None
        for rows in batches_within(lengths, self.budget):
            logits, embedded = self._network.run([batch[row].ids for row in rows])
            probabilities[rows] = softmax(logits)
            if embedded is not None:
                if embeddings is None:
                    embeddings = np.empty((len(batch), embedded.shape[1]), dtype=np.float32)
                embeddings[rows] = embedded
        return TextOutputs(probabilities, embeddings)

    @property
    def interface(self) -> Interface:
        """A text in, a label out."""
        text = {"type": "string", "minLength": 1, "maxLength": self._max_text_chars, "pattern": r"\S"}
        share = {"type": "number", "minimum": 0, "maximum": 1}
        answer = {
            "label": {"type": "string", "enum": list(self._labels)},
            "score": share,
            "probabilities": {"type": "object", "additionalProperties": share},
        }
        return Interface(
            instance=_fields({"text": text}),
            prediction=_fields(answer),
            parameters=parameters_schema(len(self._labels)),
            examples=tuple({"text": words[: self._max_text_chars]} for words in WARM_UP),
        )

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        """By `top_k` and `threshold`. Raises InputError: what is allowed."""
        return shape_of(parameters, len(self._labels))

    def encode(self, outputs: TextOutputs) -> list[dict[str, Any]]:
        """`{"label", "score", "probabilities": {label: …}}` a row; `score` is the label's probability."""
        return [self._prediction(row) for row in outputs.probabilities]

    def observe(self, batch: Sequence[TokenizedText], outputs: TextOutputs) -> list[Observation]:
        """Tokens, unknown ones among them, characters, and the answer."""
        return observations(batch, outputs, self._labels)

    def _text(self, index: int, instance: object) -> str:
        expected = 'expected {"text": "…"}'
        if not isinstance(instance, dict):
            raise InstanceError(index, f"is {kind(instance)}; {expected}")
        if unknown := sorted(str(key) for key in instance.keys() - {"text"}):
            missing = "" if "text" in instance else ", and 'text' is missing"
            raise InstanceError(index, f"has unknown {excerpts(unknown)}{missing}; {expected}")
        text = instance.get("text")
        if not isinstance(text, str):
            raise InstanceError(index, f"'text' is {kind(text) if 'text' in instance else 'missing'}; {expected}")
        if not text.strip():
            raise InstanceError(index, "'text' is blank; send at least one word")
        if len(text) > self._max_text_chars:
            raise InstanceError(
                index, f"'text' has {len(text):,} characters, at most {self._max_text_chars:,} are allowed; shorten it"
            )
        return text

    def _prediction(self, row: npt.NDArray[np.float32]) -> dict[str, Any]:
        best = int(row.argmax())
        named = {label: float(value) for label, value in zip(self._labels, row, strict=True)}
        return {"label": self._labels[best], "score": float(row[best]), "probabilities": named}


def _fields(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has them all, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
