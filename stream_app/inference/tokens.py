"""Text to token ids, the same way in training and in serving."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

Encoding = list[int]


def cut_middle(ids: Encoding, max_tokens: int) -> Encoding:
    """Keep the first three quarters and the last quarter of an over-long text.

    Long reviews say the main thing early or at the very end; the special tokens at
    both ends survive because both ends do.
    """
    if len(ids) <= max_tokens:
        return ids
    tail = max_tokens // 4
    return ids[: max_tokens - tail] + ids[len(ids) - tail :]


class TextEncoder:
    """A `tokenizers` file with its length limit; safe to share between threads."""

    def __init__(self, tokenizer_file: Path, max_tokens: int) -> None:
        if max_tokens < 8:
            raise ValueError(f"max_tokens must be at least 8, not {max_tokens}")
        self.max_tokens = max_tokens
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Token ids of each text, special tokens included, at most `max_tokens` each."""
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        return [cut_middle(e.ids, self.max_tokens) for e in encoded]
