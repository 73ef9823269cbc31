"""Fewer bits: what they keep, and when four are taken for a word table."""

import numpy as np
import pytest

from stream_app.training.model.quantisation import (
    BLOCK,
    quantise_blocks,
    quantise_columns,
    quantise_rows,
)
from tests import needs


def made_of_four_bits(rows: int, columns: int) -> np.ndarray:
    """Float16 values whose blocks hold at most sixteen evenly spaced ones, as float32."""
    rng = np.random.default_rng(3)
    values = rng.integers(-8, 8, (rows, columns // BLOCK, BLOCK)).astype(np.float32)
    values[..., 0] = -8
    scales = rng.choice([-1, 1], values.shape[:2]) * rng.uniform(0.01, 0.1, values.shape[:2])
    table = values.astype(np.float16) * scales.astype(np.float16)[..., None]
    return table.reshape(rows, columns).astype(np.float32)


def unpacked(blocks: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    values, scales = blocks
    table: np.ndarray = values.astype(np.float16) * np.repeat(scales, BLOCK, axis=1)
    return table.astype(np.float32)


def test_a_table_made_of_four_bits_is_kept_exactly() -> None:
    table = made_of_four_bits(50, 2 * BLOCK)
    blocks = quantise_blocks(table)
    assert blocks is not None
    assert np.array_equal(unpacked(blocks), table)


def test_four_bits_are_not_taken_where_they_lose_more_than_eight() -> None:
    table = np.random.default_rng(4).normal(size=(50, 2 * BLOCK)).astype(np.float32)
    assert quantise_blocks(table) is None
    assert quantise_blocks(made_of_four_bits(5, BLOCK)[:, :-1]) is None, "no whole blocks"


def test_rows_and_columns_stray_by_half_a_step_at_most() -> None:
    weight = np.random.default_rng(5).normal(size=(40, 30)).astype(np.float32)
    weight[:, 0] = 0
    values, scale = quantise_columns(weight)
    assert np.all(np.abs(values * scale - weight) <= scale / 2 + 1e-7)
    values, scale = quantise_rows(weight)
    assert scale.shape == (40, 1)
    assert np.all(np.abs(values * scale - weight) <= scale / 2 + 1e-7)


@pytest.mark.parametrize("four", [True, False])
def test_the_graph_looks_words_up_as_float32_would(four: bool) -> None:
    onnx = needs.module("onnx", "train")
    import onnxruntime

    from stream_app.training.networks.graph import CONTRIB, OPSET, Graph, embed

    rng = np.random.default_rng(6)
    hidden = 2 * BLOCK
    table = made_of_four_bits(20, hidden)
    if not four:
        table = rng.normal(size=table.shape).astype(np.float32)
    weights = {
        "embeddings.word_embeddings.weight": table,
        "embeddings.position_embeddings.weight": np.zeros((8, hidden), np.float32),
        "embeddings.token_type_embeddings.weight": np.zeros((1, hidden), np.float32),
        "embeddings.LayerNorm.weight": np.ones(hidden, np.float32),
        "embeddings.LayerNorm.bias": np.zeros(hidden, np.float32),
    }
    ids = np.array([[0, 7, 19], [3, 3, 1]])

    def looked_up(int8: bool) -> np.ndarray:
        g = Graph()
        out = embed(g, weights, 8, 1e-12, g.ints(3), int8)
        helper = onnx.helper
        given = helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["b", "t"])
        got = helper.make_tensor_value_info(out, onnx.TensorProto.FLOAT, ["b", "t", hidden])
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(
            helper.make_graph(g.nodes, "words", [given], [got], g.constants),
            opset_imports=opsets, ir_version=10,
        )  # fmt: skip
        uses = "GatherBlockQuantized" in {node.op_type for node in g.nodes}
        assert uses is (int8 and four)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        return np.asarray(session.run(None, {"input_ids": ids})[0])

    difference = np.abs(looked_up(int8=True) - looked_up(int8=False)).max()
    assert difference < (1e-6 if four else 0.02)
