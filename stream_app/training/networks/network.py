"""The network that is trained: a BERT encoder, a sentiment head and a mean-pooled embedding.

The sentiment head works on an attention pooling of the last layer (one learned query); the
embedding is the masked mean of the same layer.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, PreTrainedModel

from stream_app.inference.tokens import Encoding


class SentimentModel(nn.Module):
    """BERT encoder, attention-pooled three-class head, mean-pooled embedding."""

    def __init__(self, encoder: PreTrainedModel, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = cast(BertConfig, encoder.config)
        self.query = nn.Linear(hidden, 1)
        self.dense = nn.Linear(hidden, hidden)
        self.classify = nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(self.config.hidden_dropout_prob)

    def words(self, ids: Tensor) -> Tensor:
        """Word embeddings [batch, tokens, hidden] of ids [batch, tokens]."""
        words: Tensor = self.encoder.get_input_embeddings()(ids)
        return words

    def forward(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [batch, 3] and the masked mean [batch, hidden], in float32.

        `words` are ids [batch, tokens] or word embeddings [batch, tokens, hidden].
        """
        given = {"inputs_embeds": words} if words.is_floating_point() else {"input_ids": words}
        return self.heads(self.encoder(**given, attention_mask=mask).last_hidden_state, mask)

    def heads(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and masked mean (see `forward`) of the encoder's last states [batch, tokens,
        hidden]."""
        states = states.float()
        weights = self.query(states).squeeze(-1).masked_fill(mask == 0, -1e9).softmax(-1)
        attended = (weights.unsqueeze(-1) * states).sum(1)
        hidden = torch.tanh(self.dense(self.dropout(attended)))
        return self.classify(self.dropout(hidden)), masked_mean(states, mask)


def device() -> torch.device:
    """Where training runs: the first GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(where: torch.device) -> torch.autocast:
    """Mixed precision: bfloat16 products, float32 sums and weights."""
    return torch.autocast(where.type, torch.bfloat16)


def to_device(model: SentimentModel, where: torch.device) -> SentimentModel:
    """The model moved to a device; on CPUs with the attention that is quickest there.

    PyTorch's fused attention takes 1.3 to 2.2 times as long on a CPU as the plain products.
    """
    if where.type == "cpu":
        model.encoder.set_attn_implementation("eager")
    model.to(where)
    return model


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: [batch, tokens, hidden] to [batch, hidden]."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def pad(encodings: Sequence[Encoding], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, [batch, longest], int64."""
    width = max(map(len, encodings))
    ids = torch.full((len(encodings), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(encodings), width), dtype=torch.long)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding)] = torch.tensor(encoding)
        mask[row, : len(encoding)] = 1
    return ids, mask


@torch.inference_mode()
def predict(
    model: SentimentModel, encodings: Sequence[Encoding], pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits [n, 3] and means [n, hidden] of all rows, in their order."""
    model.eval()
    where = next(model.parameters()).device
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i]))
    logits = means = np.zeros((0, 0), np.float32)
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        ids, mask = pad([encodings[i] for i in rows], pad_id)
        with mixed_precision(where):
            got = [t.float().cpu().numpy() for t in model(ids.to(where), mask.to(where))]
        if not logits.size:
            logits = np.zeros((len(order), 3), np.float32)
            means = np.zeros((len(order), got[1].shape[1]), np.float32)
        logits[rows], means[rows] = got
    return logits, means
