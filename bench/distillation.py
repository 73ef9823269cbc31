"""Distillation beside plain layer dropping: same rows, steps and seed, both from one teacher.

    python -m bench.distillation TEACHER --out CHECKPOINT [--rows N] [--vader FILE] [FILE ...]

Students start from the same spaced layers of the checkpoint TEACHER; `untrained` is that start,
`dropped` goes through ordinary fine-tuning on the hard labels with the recipe of `model train`,
`distilled` is what `model distil` makes, and is written to --out. FILEs are labelled; of each, a
sample of texts that the training rows do not hold is judged. Cosines are between a student's
embedding and the teacher's of the same text, both as served with the teacher's centre and
directions; `nearest` is how often that teacher's vector is the nearest of the whole set.
"""

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from stream_app.inference.measures import predict_present
from stream_app.inference.tokens import TextEncoder
from stream_app.training.model import data, evaluation, labelled
from stream_app.training.model.corpus import training_rows
from stream_app.training.model.data import LABELS, Row
from stream_app.training.networks.checkpoint import read_checkpoint, without_shared
from stream_app.training.networks.distillation import Distillation, distil, spaced
from stream_app.training.networks.fitting import Losses, fit, planned
from stream_app.training.networks.network import SentimentModel, mixed_precision, pad, predict
from stream_app.training.networks.training import Recipe, label_loss

RESULTS = Path(__file__).parent / "results" / "distillation.json"
Set = tuple[list[list[int]], np.ndarray]
"""Encoded texts and their labels."""


def drop(teacher: Path, layers: int, rows: list[Row], recipe: Recipe) -> SentimentModel:
    """A student of spaced layers, fine-tuned on hard labels."""
    body = json.loads((teacher / "training.json").read_text(encoding="utf-8"))
    torch.manual_seed(recipe.seed)
    student, _ = read_checkpoint(teacher, spaced(body["layers"], layers), dropout=0.1)
    student.encoder.get_input_embeddings().requires_grad_(False)
    encoder = TextEncoder(teacher / "tokenizer.json", recipe.max_tokens)
    encodings = encoder.encode([row.text for row in rows])
    labels = label_loss(rows, recipe.smoothing, recipe.balance)

    def losses(_: int, batch: list[int]) -> Losses:
        with mixed_precision(torch.device("cpu")):
            logits, _means = student(*pad([encodings[i] for i in batch], body["pad_id"]))
        loss = labels(batch, logits)
        return loss, {"loss": loss}

    plan = planned([len(e) for e in encodings], recipe, random.Random(recipe.seed))
    fit(student, plan, losses, recipe)
    return student


def judge(
    model: SentimentModel, sets: dict[str, Set], shared: dict[str, torch.Tensor], pad_id: int
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Accuracy on each set among the classes that occur in it, and the embeddings there."""
    accuracy, embeddings = {}, {}
    for name, (encodings, labels) in sets.items():
        logits, means = predict(model, encodings, pad_id)
        accuracy[name] = round(float((predict_present(logits, labels) == labels).mean()), 4)
        embeddings[name] = normalize(without_shared(torch.from_numpy(means), shared), dim=-1)
    return {"accuracy": accuracy}, embeddings


def nearness(ours: torch.Tensor, teachers: torch.Tensor) -> dict[str, float]:
    """Mean cosine to the teacher's vector of the same text, and how often that is the nearest."""
    cosines = ours @ teachers.T
    hit = (cosines.argmax(dim=1) == torch.arange(len(ours))).float().mean()
    return {"cosine": round(cosines.diagonal().mean().item(), 4), "nearest": round(hit.item(), 4)}


def main() -> None:
    """Measure both students and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vader", type=Path)
    parser.add_argument("--exclude", type=Path, nargs="*", default=[], help="as given to train")
    parser.add_argument("--rows", type=int, default=24_000)
    parser.add_argument("--sample", type=int, default=1000, help="texts of each FILE")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    known = training_rows(options.vader, tuple(options.exclude))
    rows, held_out = data.split(known)
    rows = random.Random(options.seed).sample(rows, min(options.rows, len(rows)))
    teacher, shared = read_checkpoint(options.teacher)
    body = json.loads((options.teacher / "training.json").read_text(encoding="utf-8"))
    encoder = TextEncoder(options.teacher / "tokenizer.json", body["max_tokens"])
    sets: dict[str, Set] = {
        "held_out": (encoder.encode([r.text for r in held_out]),
                     np.array([r.label for r in held_out]))
    }  # fmt: skip
    trained = [row.text for row in known]
    for file in options.files:
        drawn = labelled.sample(labelled.read(file), 3 * options.sample)
        fresh = labelled.unseen(drawn, trained)[: options.sample]
        labels = np.array([LABELS.index(label) for _, label in fresh])
        sets[file.parent.name] = encoder.encode([text for text, _ in fresh]), labels

    ordinary = Recipe(max_tokens=body["max_tokens"], seed=options.seed)
    recipe = Distillation(seed=options.seed, layers=options.layers, threads=options.threads)
    distil(options.teacher, rows, held_out, options.out, recipe)
    chosen = spaced(body["layers"], options.layers)
    students = {
        "untrained": read_checkpoint(options.teacher, chosen)[0],
        "dropped": drop(options.teacher, options.layers, rows, ordinary),
        "distilled": read_checkpoint(options.out)[0],
    }
    figures = {}
    figures["teacher"], goals = judge(teacher, sets, shared, body["pad_id"])
    for name, student in students.items():
        figures[name], ours = judge(student, sets, shared, body["pad_id"])
        figures[name]["to_teacher"] = {s: nearness(ours[s], goals[s]) for s in sets}
    lengths = [len(e) for e in encoder.encode([row.text for row in rows])]
    result = {
        "command": "python -m bench.distillation",
        "date": evaluation.today(),
        "machine": evaluation.machine() | {"threads": options.threads},
        "rows": len(rows),
        "steps": len(planned(lengths, ordinary, random.Random(options.seed))),
        "texts": {name: len(labels) for name, (_, labels) in sets.items()},
        "recipes": {"dropped": asdict(ordinary), "distilled": asdict(recipe)},
        "figures": figures,
    }
    print(json.dumps(figures, indent=1))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
