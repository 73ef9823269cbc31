"""Weights in fewer bits: columns of matrices in eight, rows of tables in blocks of four."""

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Neighbouring values of a row that share a scale."""


def quantise_columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 of a [in, out] matrix and the scale of each column."""
    scale = np.abs(weight).max(axis=0) / 127
    scale[scale == 0] = 1
    return np.round(weight / scale).astype(np.int8), scale.astype(np.float32)


def quantise_rows(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 of a [rows, columns] table and the scale of each row, [rows, 1]."""
    values, scale = quantise_columns(table.T)
    return values.T, scale[:, None]


def quantise_blocks(
    table: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float16]] | None:
    """Four bits of a [rows, columns] table, if they keep it at least as well as eight would.

    They do where the table was made of four bits to begin with. Returns integers in -8..7,
    [rows, columns], and the scale of each block of `BLOCK` columns; the largest value of a
    block lies at -8, so a scale may be negative. None where four bits lose more.
    """
    rows, columns = table.shape
    if columns % BLOCK:
        return None
    blocks = table.reshape(rows, columns // BLOCK, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    scale = (largest / -8).astype(np.float16)
    scale[scale == 0] = 1
    wide = scale.astype(np.float32)
    values = np.clip(np.round(blocks / wide), -8, 7)
    in_eight, row_scale = quantise_rows(table)
    if np.abs(values * wide - blocks).max() > np.abs(in_eight * row_scale - table).max():
        return None
    return values.reshape(rows, columns).astype(np.int8), scale[..., 0]
