"""The graph that makes classes of logits at the size of the picture, as `logits.classes_at` does with torch.

write_class_graph(Path("classes.onnx"))
Graph(Path("classes.onnx")).run({"logits": (classes, h, w) float32, "size": [375, 500]}) → {"classes": (375, 500) uint8}

One class at a time is brought to size, so that a large picture of many classes needs little memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.engines.export import OPSET

if TYPE_CHECKING:
    import onnx

CLASSES_FILE = "classes.onnx"
LOGITS, SIZE, CLASSES = "logits", "size", "classes"
IR_VERSION = 8
"""Of the file format: the one that OPSET came with."""


def write_class_graph(path: Path) -> None:
    """Writes it; it knows no model.

    Raises:
        OSError: the disk is full.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        _constant("zero", [0]),
        _constant("one", [1]),
        _constant("no_class", [0], TensorProto.UINT8),
        helper.make_node("Squeeze", ["zero"], ["first"]),
        helper.make_node("Squeeze", ["one"], ["step"]),
        helper.make_node("Concat", ["one", "one", SIZE], ["sizes"], axis=0),
        *_resized("first", "best_of_first"),
        helper.make_node("Expand", ["no_class", SIZE], ["classes_of_first"]),
        helper.make_node("Shape", [LOGITS], ["count"], start=0, end=1),
        helper.make_node("Sub", ["count", "one"], ["others"]),
        helper.make_node("Squeeze", ["others"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "", "best_of_first", "classes_of_first"], ["_", CLASSES], body=_body()),
    ]
    graph = helper.make_graph(
        nodes,
        "classes",
        [
            helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["classes", "h", "w"]),
            helper.make_tensor_value_info(SIZE, TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info(CLASSES, TensorProto.UINT8, ["height", "width"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _body() -> onnx.GraphProto:
    """One more class: where its logit is above the best so far, it is the class."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Add", ["round", "step"], ["number"]),
        *_resized("number", "other"),
        helper.make_node("Greater", ["other", "best"], ["higher"]),
        helper.make_node("Where", ["higher", "other", "best"], ["best_now"]),
        helper.make_node("Cast", ["number"], ["class"], to=TensorProto.UINT8),
        helper.make_node("Where", ["higher", "class", "classes_before"], ["classes_now"]),
        helper.make_node("Identity", ["going"], ["going_on"]),
    ]
    sides = ["height", "width"]
    given = [
        helper.make_tensor_value_info("round", TensorProto.INT64, []),
        helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        helper.make_tensor_value_info("best", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("classes_before", TensorProto.UINT8, sides),
    ]
    made = [
        helper.make_tensor_value_info("going_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("best_now", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("classes_now", TensorProto.UINT8, sides),
    ]
    return helper.make_graph(nodes, "one_class", given, made)


def _resized(number: str, output: str) -> list[onnx.NodeProto]:
    """The logits of a class, bilinear at the picture's size: (height, width)."""
    from onnx import helper

    return [
        helper.make_node("Gather", [LOGITS, number], [f"{output}_small"], axis=0),
        _constant(f"{output}_first_axes", [0, 1]),
        helper.make_node("Unsqueeze", [f"{output}_small", f"{output}_first_axes"], [f"{output}_four"]),
        helper.make_node(
            "Resize",
            [f"{output}_four", "", "", "sizes"],
            [f"{output}_large"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Squeeze", [f"{output}_large", f"{output}_first_axes"], [output]),
    ]


def _constant(name: str, values: list[int], kind: int | None = None) -> Any:
    from onnx import TensorProto, helper

    tensor = helper.make_tensor(name, TensorProto.INT64 if kind is None else kind, [len(values)], values)
    return helper.make_node("Constant", [], [name], value=tensor)
