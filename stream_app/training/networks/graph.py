"""The serving graph of a fine-tuned BERT, written node by node.

Int8 weights are multiplied by activations quantised one token row at a time, so a text's
result does not depend on the texts it is batched with; per-tensor dynamic quantisation, the
usual tool, moves embeddings by a few hundredths from batch to batch. A row x becomes
round(x / s) + 128 with s = max|x| / 127, an integer product gives y = s * w * (q @ W) exactly
up to two float products. Everything else works on single rows or single texts anyway. A word table
that four bits hold without loss is stored in four.

Attention and GELU are operators of ONNX Runtime's own, made for the CPU and for CUDA. A `standard`
graph, of floats, spells them out in those of the ONNX standard, all that TensorRT knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stream_app.training.model.quantisation import (
    BLOCK,
    quantise_blocks,
    quantise_columns,
    quantise_rows,
)

Weights = Mapping[str, NDArray[np.float32]]
CONTRIB = "com.microsoft"
OPSET = 17
# GELU never goes below -0.17: its outputs get 239 steps above zero and 16 below.
GELU_FLOOR, GELU_ZERO = 0.17, 16


@dataclass
class Graph:
    """Nodes and constants under construction; methods return the name of the result."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def const(self, value: Any) -> str:
        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def int4(self, values: NDArray[np.int8]) -> str:
        """A constant of values in -8..7, two to a byte."""
        name = f"const_{len(self.constants)}"
        low, high = (values.ravel()[start::2].view(np.uint8) & 15 for start in (0, 1))
        packed = (low | high << 4).tobytes()
        self.constants.append(
            helper.make_tensor(name, TensorProto.INT4, values.shape, packed, raw=True)
        )
        return name

    def ints(self, *values: int) -> str:
        return self.const(np.array(values, np.int64))

    def floats(self, value: Any) -> str:
        return self.const(np.asarray(value, np.float32))

    def add(self, op: str, *inputs: str, domain: str = "", out: str = "", **attributes: Any) -> str:
        name = out or f"{op}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name


def linear(g: Graph, x: str, weight: NDArray[np.float32], int8: bool, gelu: bool = False) -> str:
    """x @ weight for x [rows, in] and weight [in, out], without bias."""
    if not int8:
        return g.add("MatMul", x, g.floats(weight))
    quantised, column_scale = quantise_columns(weight)
    if gelu:
        zero = GELU_ZERO
        peak = g.add("ReduceMax", x, axes=[1], keepdims=1)
        scale = g.add("Mul", peak, g.floats(1 / (255 - zero)))
        scale = g.add("Max", scale, g.floats(GELU_FLOOR / zero))
    else:
        zero = 128
        peak = g.add("ReduceMax", g.add("Abs", x), axes=[1], keepdims=1)
        scale = g.add("Max", g.add("Mul", peak, g.floats(1 / 127)), g.floats(1e-9))
    row_scale = g.add("Squeeze", scale, g.ints(1))
    zeros = g.add(
        "ConstantOfShape",
        g.add("Shape", row_scale),
        value=numpy_helper.from_array(np.array([zero], np.uint8)),
    )
    q = g.add("QuantizeLinear", x, row_scale, zeros, axis=0)
    product = g.add(
        "MatMulIntegerToFloat",
        q,
        g.const(quantised),
        g.floats(1.0),
        g.const(column_scale),
        g.const(np.uint8(zero)),
        domain=CONTRIB,
    )
    return g.add("Mul", product, scale)


def add_and_norm(g: Graph, y: str, skip: str, bias: str, w: Weights, key: str, eps: float) -> str:
    """LayerNorm(y + bias + skip) over rows.

    Spelt out: the fused kernel reads each row with scalar code and takes twice the time.
    """
    total = g.add("Add", g.add("Add", y, bias), skip)
    centred = g.add("Sub", total, g.add("ReduceMean", total, axes=[1], keepdims=1))
    square = g.add("ReduceSumSquare", centred, axes=[1], keepdims=1)
    size = w[key + ".weight"].size
    root = g.add("Sqrt", g.add("Add", g.add("Mul", square, g.floats(1 / size)), g.floats(eps)))
    unit = g.add("Div", centred, root)
    return g.add(
        "Add", g.add("Mul", unit, g.floats(w[key + ".weight"])), g.floats(w[key + ".bias"])
    )


def embed(g: Graph, w: Weights, max_tokens: int, eps: float, tokens: str, int8: bool) -> str:
    """Word, position and type embeddings, normalised: [batch, tokens, hidden]."""
    table = w["embeddings.word_embeddings.weight"]
    blocks = quantise_blocks(table) if int8 else None
    if blocks is not None:
        in_four, scales = blocks
        words = g.add(
            "GatherBlockQuantized",
            g.int4(in_four),
            "input_ids",
            g.const(scales),
            domain=CONTRIB,
            gather_axis=0,
            quantize_axis=1,
            block_size=BLOCK,
        )
        words = g.add("Cast", words, to=TensorProto.FLOAT)
    elif int8:
        in_eight, scale = quantise_rows(table)
        rows = g.add("Gather", g.const(in_eight), "input_ids")
        words = g.add("Mul", g.add("Cast", rows, to=TensorProto.FLOAT),
                      g.add("Gather", g.floats(scale), "input_ids"))  # fmt: skip
    else:
        words = g.add("Gather", g.floats(table), "input_ids")
    places = w["embeddings.position_embeddings.weight"][:max_tokens]
    places = places + w["embeddings.token_type_embeddings.weight"][0]
    used = g.add("Slice", g.floats(places), g.ints(0), tokens, g.ints(0))
    return g.add(
        "LayerNormalization",
        g.add("Add", words, used),
        g.floats(w["embeddings.LayerNorm.weight"]),
        g.floats(w["embeddings.LayerNorm.bias"]),
        axis=-1,
        epsilon=eps,
    )


def attend(g: Graph, parts: list[str], bias: NDArray[np.float32], heads: int, shape: str) -> str:
    """Softmax(q @ k' / sqrt(size)) @ v of each head, padding hidden; [batch, tokens, hidden]."""
    size = bias.size // 3 // heads
    split = g.ints(0, 0, heads, size)
    orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    query, key, value = (
        g.add(
            "Transpose",
            g.add("Reshape", g.add("Reshape", g.add("Add", part, g.floats(own)), shape), split),
            perm=order,
        )
        for part, own, order in zip(parts, np.split(bias, 3), orders, strict=True)
    )
    query = g.add("Mul", query, g.floats(size**-0.5))
    scores = g.add("Add", g.add("MatMul", query, key), "hide")
    joined = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
    return g.add("Transpose", joined, perm=[0, 2, 1, 3])


def bias_gelu(g: Graph, x: str, bias: NDArray[np.float32], standard: bool) -> str:
    """GELU(x + bias): its argument times the normal distribution's share below it."""
    if not standard:
        return g.add("BiasGelu", x, g.floats(bias), domain=CONTRIB)
    total = g.add("Add", x, g.floats(bias))
    share = g.add("Erf", g.add("Mul", total, g.floats(0.5**0.5)))
    return g.add("Mul", g.add("Mul", total, g.floats(0.5)), g.add("Add", share, g.floats(1.0)))


def layer(
    g: Graph,
    x: str,
    w: Weights,
    key: str,
    heads: int,
    eps: float,
    shape: str,
    int8: bool,
    standard: bool,
) -> str:
    """One post-norm transformer layer over rows [batch * tokens, hidden]."""
    own = f"{key}.attention.self."
    names = ("query", "key", "value")
    joint = np.concatenate([w[f"{own}{n}.weight"].T for n in names], axis=1)
    bias = np.concatenate([w[f"{own}{n}.bias"] for n in names])
    hidden = joint.shape[0]
    parts = [f"{key}.{n}" for n in names]
    g.nodes.append(
        helper.make_node(
            "Split",
            [linear(g, x, joint, int8), g.ints(hidden, hidden, hidden)],
            parts,
            name=f"{key}.split",
            axis=1,
        )
    )
    if standard:
        attended = attend(g, parts, bias, heads, shape)
    else:
        attended = g.add(
            "MultiHeadAttention",
            *[g.add("Reshape", part, shape) for part in parts],
            g.floats(bias),
            "key_mask",
            domain=CONTRIB,
            num_heads=heads,
        )
    attended = g.add("Reshape", attended, g.ints(-1, hidden))
    dense = f"{key}.attention.output"
    y = linear(g, attended, w[f"{dense}.dense.weight"].T, int8)
    x = add_and_norm(g, y, x, g.floats(w[f"{dense}.dense.bias"]), w, f"{dense}.LayerNorm", eps)
    y = linear(g, x, w[f"{key}.intermediate.dense.weight"].T, int8)
    y = bias_gelu(g, y, w[f"{key}.intermediate.dense.bias"], standard)
    y = linear(g, y, w[f"{key}.output.dense.weight"].T, int8, gelu=True)
    return add_and_norm(
        g, y, x, g.floats(w[f"{key}.output.dense.bias"]), w, f"{key}.output.LayerNorm", eps
    )


def heads_of_sentiment(g: Graph, states: str, mask: str, w: Weights) -> None:
    """`logits` [batch, 3] from one learned query's attention over the last layer."""
    scores = g.add("MatMul", states, g.floats(w["query.weight"].T))
    scores = g.add("Squeeze", scores, g.ints(2))
    hide = g.add("Mul", g.add("Sub", g.floats(1.0), mask), g.floats(-1e9))
    shares = g.add("Softmax", g.add("Add", scores, hide), axis=1)
    weighted = g.add("Mul", states, g.add("Unsqueeze", shares, g.ints(2)))
    pooled = g.add("ReduceSum", weighted, g.ints(1), keepdims=0)
    dense = g.add("Gemm", pooled, g.floats(w["dense.weight"]), g.floats(w["dense.bias"]), transB=1)
    g.add(
        "Gemm",
        g.add("Tanh", dense),
        g.floats(w["classify.weight"]),
        g.floats(w["classify.bias"]),
        transB=1,
        out="logits",
    )


def embedding(g: Graph, states: str, mask: str, w: Weights) -> None:
    """`pooled` [batch, hidden]: masked mean less the shared part, at unit length.

    The shared part is `centre` and what lies along `directions` (see `model.centring`).
    """
    weighted = g.add("Mul", states, g.add("Unsqueeze", mask, g.ints(2)))
    total = g.add("ReduceSum", weighted, g.ints(1), keepdims=0)
    count = g.add("ReduceSum", mask, g.ints(1), keepdims=1)
    centred = g.add("Sub", g.add("Div", total, count), g.floats(w["centre"]))
    along = g.add("MatMul", centred, g.floats(w["directions"].T))
    own = g.add("Sub", centred, g.add("MatMul", along, g.floats(w["directions"])))
    length = g.add("Max", g.add("ReduceL2", own, axes=[1], keepdims=1), g.floats(1e-12))
    g.add("Div", own, length, out="pooled")


def build(
    weights: Weights,
    layers: int,
    heads: int,
    max_tokens: int,
    eps: float,
    int8: bool = True,
    standard: bool = False,
) -> onnx.ModelProto:
    """Graph of a checkpoint's weights (see `training`), in int8 or float32.

    Inputs `input_ids`, `attention_mask`: int64 [batch, tokens]; outputs `logits` [batch, 3]
    and `pooled` [batch, hidden], float32.
    """
    bert = {k.removeprefix("encoder."): v for k, v in weights.items() if k.startswith("encoder.")}
    hidden = bert["embeddings.word_embeddings.weight"].shape[1]
    g = Graph()
    size = g.add("Shape", "input_ids")
    tokens = g.add("Slice", size, g.ints(1), g.ints(2))
    shape = g.add("Concat", size, g.ints(hidden), axis=0)
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    if standard:
        hide = g.add("Mul", g.add("Sub", g.floats(1.0), mask), g.floats(-1e9))
        g.add("Unsqueeze", hide, g.ints(1, 2), out="hide")
    else:
        g.add("Cast", "attention_mask", to=TensorProto.INT32, out="key_mask")
    x = embed(g, bert, max_tokens, eps, tokens, int8)
    x = g.add("Reshape", x, g.ints(-1, hidden))
    for number in range(layers):
        x = layer(g, x, bert, f"encoder.layer.{number}", heads, eps, shape, int8, standard)
    states = g.add("Reshape", x, shape)
    heads_of_sentiment(g, states, mask, weights)
    embedding(g, states, mask, weights)
    graph = helper.make_graph(
        g.nodes,
        "sentiment",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", hidden]),
        ],
        g.constants,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
        ir_version=10,
        producer_name="stream-app",
    )
