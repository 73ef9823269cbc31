"""Tiny bases to train on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.inference.bundle import default_bundle
from tests import needs


@pytest.fixture(scope="session")
def tiny_bert() -> Callable[[Path, int], Path]:
    """Writes a random BERT of so many layers, with the shipped tokenizer, into a folder."""
    for module in ("torch", "transformers", "snownlp"):
        needs.module(module, "train")
    import torch
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    def write(folder: Path, layers: int) -> Path:
        tokenizer = default_bundle() / "tokenizer.json"
        config = BertConfig(
            vocab_size=Tokenizer.from_file(str(tokenizer)).get_vocab_size(),
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
            pad_token_id=1,
        )
        torch.manual_seed(0)
        bert = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        bert.save_pretrained(folder)
        (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
        return folder

    return write
