"""Writes the small graphs beside it, which have a bundle's inputs and outputs.

python -m tests.inference.graphs.make (needs `onnx`, of the extra `train`)
"""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

HERE = Path(__file__).parent
DIMENSIONS, LABELS = 384, 3
ENDLESS = 2**62
HUGE = 10**10
GIB = 2**28
"""As float32."""


def constant(name: str, value: Any) -> Any:
    return numpy_helper.from_array(np.asarray(value), name)


def write(name: str, nodes: list[Any], *constants: Any) -> None:
    """A graph that answers every text alike, after `nodes` have made `delay`, a scalar of 0."""
    unit = np.zeros((1, DIMENSIONS), np.float32)
    unit[0, 0] = 1
    common = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["mask", "one"], ["ones"], keepdims=1),
        helper.make_node("Add", ["ones", "delay"], ["rows"]),
        helper.make_node("MatMul", ["rows", "unit"], ["pooled"]),
        helper.make_node("MatMul", ["rows", "even"], ["logits"]),
    ]
    whole = [("one", [1]), ("unit", unit), ("even", np.zeros((1, LABELS), np.float32))]
    ints, floats = TensorProto.INT64, TensorProto.FLOAT
    graph = helper.make_graph(
        [*nodes, *common],
        name,
        [helper.make_tensor_value_info(n, ints, ["b", "t"]) for n in INPUTS],
        [
            helper.make_tensor_value_info("logits", floats, ["b", LABELS]),
            helper.make_tensor_value_info("pooled", floats, ["b", DIMENSIONS]),
        ],
        [*constants, *(constant(n, v) for n, v in whole)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    save(model, str(HERE / f"{name}.onnx"))


INPUTS = ("input_ids", "attention_mask")


def loop(trips: int) -> tuple[list[Any], list[Any]]:
    """So many trips over nothing."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["before", "before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, []),
        ],
    )
    node = helper.make_node("Loop", ["trips", "yes", "zero"], ["delay"], body=body)
    return [node], [constant("trips", trips), constant("yes", True), ZERO]


ZERO = constant("zero", np.float32(0))


def zeros(each: int, more: int) -> tuple[list[Any], *tuple[Any, ...]]:
    """So many zeros for each token, and so many more: not known before a text comes."""
    nodes = [
        helper.make_node("Size", ["input_ids"], ["tokens"]),
        helper.make_node("Mul", ["tokens", "each"], ["some"]),
        helper.make_node("Add", ["some", "more"], ["many"]),
        helper.make_node("Reshape", ["many", "flat"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["delay"], keepdims=0),
    ]
    return nodes, constant("each", each), constant("more", more), constant("flat", [1])


def main() -> None:
    """Write all of them."""
    write("small", [helper.make_node("Identity", ["zero"], ["delay"])], ZERO)
    # Embeddings of length 2: it loads, and answers what is none.
    node = helper.make_node("Identity", ["more"], ["delay"])
    write("crooked", [node], constant("more", np.float32(1)))
    nodes, constants = loop(ENDLESS)
    write("endless", nodes, *constants)
    write("greedy", *zeros(HUGE, 0))
    write("stout", *zeros(0, GIB))


if __name__ == "__main__":
    main()
