"""The sequence model: an LSTM over a user's events, whose state asks for the next item.

An item is r = E + P t, with its own vector E, learnt, and a learnt projection P of its text's
embedding t; an item unknown in training has no E, and so is at once where its text puts it. An
event's input is r of its item plus a vector of its kind and one for its value and one for the
time since the event before; the output is a vector q, and the score of an item q r. Trained to
predict the next item that a user likes among all, at every step of every history (softmax
over the whole catalogue, as SASRec with cross-entropy: Klenitskiy and Vasilev, RecSys 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from stream_app.interests.record import EVENTS, KINDS
from stream_app.recommend.sequence import gaps
from stream_app.training.networks.graph import OPSET, Graph


@dataclass(frozen=True)
class Recipe:
    """How the sequence model is trained."""

    width: int = 128
    epochs: int = 10
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    dropout: float = 0.5
    text_dropout: float = 0.1
    """Share of items that are shown without their own vector: so that the text is learnt too."""
    steps: int = 64
    """Events of a training window."""
    batch: int = 32
    seed: int = 7


class History(NamedTuple):
    """One user's events, oldest first; all [events]."""

    items: NDArray[np.int64]
    kinds: NDArray[np.int64]
    values: NDArray[np.float32]
    times: NDArray[np.float64]
    liked: NDArray[np.bool_]


class Exported(NamedTuple):
    """What the bundle keeps of a model."""

    own: NDArray[np.float32]
    """[items, width]"""
    project: NDArray[np.float32]
    """[dimensions, width]"""
    graph: bytes
    scale: float
    """The product that one in a thousand of a user's items reaches."""


class SequenceModel(nn.Module):
    """Items, the inputs of events, and the LSTM."""

    texts: Tensor

    def __init__(self, texts: NDArray[np.float32], recipe: Recipe) -> None:
        """`texts` [items, dimensions]: unit vectors, zero without a text."""
        super().__init__()
        count, dimensions = texts.shape
        width = recipe.width
        self.register_buffer("texts", torch.from_numpy(texts))
        self.own = nn.Embedding(count, width)
        self.project = nn.Linear(dimensions, width, bias=False)
        self.kind = nn.Embedding(len(KINDS), width)
        self.value = nn.Parameter(torch.zeros(width))
        self.gap = nn.Parameter(torch.zeros(width))
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.ask = nn.Linear(width, width)
        nn.init.normal_(self.own.weight, std=0.1)
        nn.init.normal_(self.kind.weight, std=0.02)

    def items(self, hidden: float = 0.0) -> Tensor:
        """r of all items [items, width]; a share without their own vector."""
        own = self.own.weight
        if hidden:
            own = own * (torch.rand(len(own), 1) >= hidden)
        table: Tensor = own + self.project(self.texts)
        return table

    def inputs(self, items: Tensor, kinds: Tensor, values: Tensor, gaps: Tensor) -> Tensor:
        """Inputs [users, events, width] of r [users, events, width] and three [users, events]."""
        event = self.kind(kinds) + values[..., None] * self.value + gaps[..., None] * self.gap
        total: Tensor = items + event
        return total

    def forward(self, inputs: Tensor) -> Tensor:
        """q after each event [users, events, width]."""
        states, _ = self.lstm(inputs)
        asked: Tensor = self.ask(states)
        return asked


def learn(
    histories: Sequence[History], texts: NDArray[np.float32], recipe: Recipe
) -> SequenceModel:
    """Train on all histories; raises ValueError where no user liked two items."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    model = SequenceModel(texts, recipe)
    windows = list(_windows(histories, recipe.steps))
    if not windows:
        raise ValueError("no history holds two events: nothing to learn a sequence from")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    batches = -(-len(windows) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.1
    )
    model.train()
    progress = tqdm(total=recipe.epochs * batches, desc="sequence", unit="batch", mininterval=5)
    for _ in range(recipe.epochs):
        order = rng.permutation(len(windows))
        for start in range(0, len(order), recipe.batch):
            chosen = [windows[n] for n in order[start : start + recipe.batch]]
            loss = _loss(model, chosen, recipe)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.set_postfix({"loss": f"{loss.item():.3f}"}, refresh=False)
            progress.update()
    progress.close()
    model.eval()
    return model


class _Window(NamedTuple):
    """Inputs and targets of consecutive events; a target of -1 is none."""

    items: NDArray[np.int64]
    kinds: NDArray[np.int64]
    values: NDArray[np.float32]
    gaps: NDArray[np.float32]
    targets: NDArray[np.int64]


def _windows(histories: Sequence[History], steps: int) -> list[_Window]:
    windows = []
    for history in histories:
        _, first = np.unique(history.items, return_index=True)
        fresh = np.zeros(len(history.items), bool)
        fresh[first] = True
        targets = np.where(history.liked & fresh, history.items, -1)[1:]
        apart = gaps(history.times)
        # Each window begins with half of the one before, so that most steps have a past.
        for start in range(0, max(len(targets) - steps // 2, 1), steps // 2):
            end = min(start + steps, len(targets))
            own = targets[start:end].copy()
            if start:
                own[: steps // 2] = -1
            if (own >= 0).any():
                part = slice(start, end)
                items, kinds = history.items[part], history.kinds[part]
                windows.append(_Window(items, kinds, history.values[part], apart[part], own))
    return windows


def _loss(model: SequenceModel, windows: Sequence[_Window], recipe: Recipe) -> Tensor:
    def padded(arrays: Sequence[NDArray[np.generic]], fill: int = 0) -> Tensor:
        tensors = [torch.from_numpy(array) for array in arrays]
        return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=fill)

    columns = list(zip(*windows, strict=True))
    items, kinds, values, apart = (padded(column) for column in columns[:4])
    targets = padded(columns[4], -1)
    table = model.items(recipe.text_dropout)
    drop = recipe.dropout
    asked = model(F.dropout(model.inputs(table[items], kinds, values, apart), drop))
    wanted = targets >= 0
    logits = F.dropout(asked[wanted], drop) @ table.T
    return F.cross_entropy(logits, targets[wanted])


PROBES = 64
TOLERANCE = 1e-4
"""Most that the graph may differ from the network."""


def export(model: SequenceModel, histories: Sequence[History]) -> Exported:
    """Write the ONNX graph node by node, compared with the network on some histories."""
    graph = Graph()
    state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    width = state["ask.bias"].shape[0]

    def gates(weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """torch orders the gates input, forget, cell, output; ONNX input, output, forget, cell."""
        i, f, c, o = np.split(weight, 4)
        return np.concatenate([i, o, f, c])

    total = graph.add(
        "Add", "items", graph.add("Gather", graph.const(state["kind.weight"]), "kinds")
    )
    for name, vector in (("values", "value"), ("gaps", "gap")):
        spread = graph.add("Unsqueeze", name, graph.ints(2))
        total = graph.add("Add", total, graph.add("Mul", spread, graph.const(state[vector])))
    turned = graph.add("Transpose", total, perm=[1, 0, 2])
    weights = [gates(state["lstm.weight_ih_l0"])[None], gates(state["lstm.weight_hh_l0"])[None]]
    bias = np.concatenate([gates(state["lstm.bias_ih_l0"]), gates(state["lstm.bias_hh_l0"])])[None]
    inputs = [turned, *(graph.const(w) for w in weights), graph.const(bias), "lengths"]
    graph.nodes.append(
        helper.make_node("LSTM", inputs, ["", "last"], name="lstm", hidden_size=width)
    )
    last = graph.add("Squeeze", "last", graph.ints(0))
    asked = graph.add("MatMul", last, graph.const(state["ask.weight"].T))
    graph.add("Add", asked, graph.const(state["ask.bias"]), out="asked")
    sides = ["users", "events"]
    wanted = [
        helper.make_tensor_value_info("items", TensorProto.FLOAT, [*sides, width]),
        helper.make_tensor_value_info("kinds", TensorProto.INT64, sides),
        helper.make_tensor_value_info("values", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("gaps", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["users"]),
    ]
    out = helper.make_tensor_value_info("asked", TensorProto.FLOAT, ["users", width])
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "sequence", wanted, [out], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9,
    )  # fmt: skip
    onnx.checker.check_model(proto)
    body = proto.SerializeToString()
    scale = _compare(model, body, histories[:PROBES])
    return Exported(state["own.weight"], state["project.weight"].T.copy(), body, scale)


def _compare(model: SequenceModel, graph: bytes, histories: Sequence[History]) -> float:
    """Raises ValueError where the graph strays from the network; the scale of its scores."""
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    table = model.items().detach()
    high = []
    for history in histories:
        end = min(len(history.items), EVENTS)
        one = [np.asarray(column[:end])[None] for column in history]
        apart = gaps(history.times[:end])[None]
        given = table[torch.from_numpy(one[0])]
        with torch.inference_mode():
            inputs = model.inputs(given, *(torch.from_numpy(x) for x in (one[1], one[2], apart)))
            expected = model(inputs)[0, -1]
        feeds = {
            "items": given.numpy(), "kinds": one[1], "values": one[2], "gaps": apart,
            "lengths": np.array([end], np.int32),
        }  # fmt: skip
        (asked,) = session.run(["asked"], feeds)
        if not np.allclose(asked[0], expected.numpy(), atol=TOLERANCE):
            raise ValueError("the graph of the sequence model strays from the network")
        high.append(float(torch.quantile(table @ expected, 0.999)))
    return max(float(np.mean(high)), 1e-3)
