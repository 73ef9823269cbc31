"""Distillation and resumption on tiny random models; needs the train extra."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream_app.training.model.data import is_held_out, unlabelled_rows
from tests import needs
from tests.training.model.checkpoints import run, same, weights

FEW = ("--limit", "400", "--epochs", "1", "--threads", "1")
# The first save of a run kills its process, as a machine that goes down would.
KILLED = """
import os, signal, sys
from stream_app.commands.model import model
from stream_app.training.networks import resume
save = resume.RunState.save
def die(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
resume.RunState.save = die
model(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def base(tiny_bert: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"), 4)


@pytest.fixture(scope="module")
def teacher(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    run("train", "--base", base, "--out", folder, "--max-tokens", "32", *FEW)
    return folder


def test_spaced_layers_include_the_first_and_the_last(base: Path) -> None:
    from stream_app.training.networks.distillation import spaced

    assert spaced(12, 6) == [0, 2, 4, 7, 9, 11]
    assert spaced(12, 12) == list(range(12))
    assert spaced(4, 2) == [0, 3]
    for student in (1, 13):
        with pytest.raises(ValueError, match="12 layers"):
            spaced(12, student)


def test_a_student_of_all_layers_is_its_teacher(teacher: Path) -> None:
    from stream_app.training.networks.checkpoint import LAYER, read_checkpoint

    whole, shared = read_checkpoint(teacher)
    half, _ = read_checkpoint(teacher, [0, 3])
    stored = weights(teacher)
    for name, value in whole.state_dict().items():
        assert np.array_equal(value, stored[name])
    for name, value in half.state_dict().items():
        assert np.array_equal(value, stored[name.replace(f"{LAYER}1.", f"{LAYER}3.")])
    assert shared["centre"].shape == (32,)


def test_a_student_comes_nearer_to_its_teacher(teacher: Path, tmp_path: Path) -> None:
    import torch
    from torch.nn.functional import cosine_similarity

    from stream_app.inference.tokens import TextEncoder
    from stream_app.training.networks.checkpoint import read_checkpoint, without_shared
    from stream_app.training.networks.distillation import spaced
    from stream_app.training.networks.network import predict

    texts = tmp_path / "texts.txt"
    texts.write_text("没有标签的一句话\nA line without a label.\n", "utf-8")
    said = run("distil", teacher, "--layers", "2", "--out", tmp_path / "student",
               "--texts", texts, *FEW[:2], "--epochs", "4", "--threads", "1")  # fmt: skip
    body = json.loads((tmp_path / "student" / "training.json").read_text("utf-8"))
    assert body["layers"] == body["recipe"]["layers"] == 2
    assert body["max_tokens"] == 32
    assert body["sources"]["texts.txt"] == 2, said

    encodings = TextEncoder(teacher / "tokenizer.json", 32).encode(
        ["很好,下次还来", "Broken on arrival.", "The parcel came late, as always."]
    )
    original, shared = read_checkpoint(teacher)
    start, _ = read_checkpoint(teacher, spaced(4, 2))
    student, kept = read_checkpoint(tmp_path / "student")
    assert all(torch.equal(kept[name], shared[name]) for name in shared)
    goal, before, after = (
        without_shared(torch.from_numpy(predict(m, encodings, 1)[1]), shared)
        for m in (original, start, student)
    )
    assert cosine_similarity(after, goal).mean() > cosine_similarity(before, goal).mean()


def test_unlabelled_rows_do_not_move_the_label_loss(base: Path) -> None:
    import torch

    from stream_app.training.model.data import Row, hard_target
    from stream_app.training.networks.training import label_loss

    rows = [Row("a", hard_target("positive"), "s"), Row("b", (1 / 3, 1 / 3, 1 / 3), "t", 0.0)]
    loss = label_loss(rows, 0.0)
    logits = torch.tensor([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    assert torch.isclose(loss([0, 1], logits), loss([0], logits[:1]))
    assert loss([1], logits[1:]) == 0


def test_balance_makes_a_rare_class_count_as_much() -> None:
    torch = needs.module("torch", "train")
    from stream_app.training.model.data import Row, hard_target
    from stream_app.training.networks.training import label_loss

    rows = [Row("a", hard_target("positive"), "s")] * 3 + [Row("b", hard_target("negative"), "s")]
    logits = torch.tensor([[0.0, 0.0, 2.0]] * 4)
    own = -torch.log_softmax(logits[0], -1)
    plain = label_loss(rows, 0.0)([0, 1, 2, 3], logits)
    even = label_loss(rows, 0.0, balance=1.0)([0, 1, 2, 3], logits)
    assert torch.isclose(plain, (3 * own[2] + own[0]) / 4)
    assert torch.isclose(even, (own[2] + own[0]) / 2)


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    torch = needs.module("torch", "train")
    from stream_app.training.networks.fitting import Schedule, fit

    class Line(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = torch.nn.Linear(1, 1, bias=False)
            self.head = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.ones_(self.encoder.weight)
            torch.nn.init.ones_(self.head.weight)

    points = torch.tensor([[1.0], [2.0], [3.0], [4.0]])

    def run(plan: list[list[int]], accumulate: int) -> float:
        model = Line()

        def losses(step: int, batch: list[int]):  # type: ignore[no-untyped-def]
            loss = (model.head(model.encoder(points[batch])) ** 2).mean()
            return loss, {"loss": loss.detach()}

        fit(model, plan, losses, Schedule(accumulate=accumulate), None)
        return float(model.head.weight)

    assert run([[0, 1], [2, 3]], 2) == pytest.approx(run([[0, 1, 2, 3]], 1), abs=1e-7)
    assert run([[0, 1], [2, 3]], 1) != pytest.approx(run([[0, 1, 2, 3]], 1), abs=1e-5)


def test_unlabelled_texts_leave_out_what_is_held_out(tmp_path: Path) -> None:
    lines = [f"text number {i}" for i in range(100)]
    file = tmp_path / "many.txt"
    file.write_text("\n".join([*lines, lines[0], "", "…"]), "utf-8")
    rows = list(unlabelled_rows(file))
    assert [row.text for row in rows] == [line for line in lines if not is_held_out(line)]
    assert {(row.weight, row.source) for row in rows} == {(0.0, "many.txt")}


@pytest.mark.parametrize("verb", ["train", "distil"])
def test_a_killed_run_resumes_to_equal_weights(
    verb: str, base: Path, teacher: Path, tmp_path: Path
) -> None:
    start: list[str | Path] = ["train", "--base", base, "--max-tokens", "32"]
    if verb == "distil":
        start = ["distil", teacher, "--layers", "2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ("--save-every", "5", *FEW)
    run(*start, "--out", whole, *options)
    command = [sys.executable, "-c", KILLED, *map(str, start), "--out", str(killed), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert (killed / "state.pt").exists() and not (killed / "weights.safetensors").exists()

    other = run(*start, "--out", killed, *options, "--seed", "8", "--resume", code=1)
    assert "the state of a run with other rows" in other
    run(*start, "--out", killed, *options, "--resume")
    assert same(killed, whole)
    assert not (killed / "state.pt").exists()


def test_a_damaged_state_is_told_in_one_line(base: Path, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"half a file")
    start = ("train", "--base", base, "--max-tokens", "32")
    said = run(*start, "--out", tmp_path, "--resume", *FEW, code=1)
    assert "state.pt: unreadable" in said


def test_a_teacher_must_be_a_checkpoint_with_enough_layers(teacher: Path, tmp_path: Path) -> None:
    said = run("distil", tmp_path, "--out", tmp_path / "o", *FEW, code=1)
    assert "not a checkpoint" in said
    said = run("distil", teacher, "--layers", "5", "--out", tmp_path / "o", *FEW, code=1)
    assert "a teacher of 4 layers has students of 2 to 4, not 5" in said
