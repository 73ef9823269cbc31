"""Domain fine-tuning beside a linear model: one checkpoint goes on from its general training.

    python -m bench.domain CHECKPOINT --out CHECKPOINT --vader FILE FILE ... [--phrases FILE ...]

FILEs are labelled. Of each, a tenth by a hash of the text is held out; training rows that equal
or contain a held-out text are left out. `--phrases` are files of phrases cut out of common
sentences (SST-2): there a tenth of the sentences is held out, with every phrase of theirs. A
held-out text that stands in the rows of CHECKPOINT's own training is not judged. One
run of `networks.training` goes over the training rows of all files (`--average`: with others of
another seed, the mean of their weights is judged); the linear model (TF-IDF of
character 1-3-grams and LinearSVC of scikit-learn) is fitted to each file's alone.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from bench.phrases import proper_parts, spaced, windows
from stream_app.inference.measures import predict_present
from stream_app.inference.tokens import TextEncoder
from stream_app.training.model import labelled
from stream_app.training.model.corpus import training_rows
from stream_app.training.model.data import (
    LABELS,
    Row,
    deduplicate,
    hard_target,
    is_held_out,
    without,
)
from stream_app.training.model.evaluation import machine, today
from stream_app.training.model.recipe import read as read_recipe
from stream_app.training.networks.checkpoint import read_checkpoint
from stream_app.training.networks.fitting import Saving
from stream_app.training.networks.network import SentimentModel, device, predict, to_device
from stream_app.training.networks.training import Recipe, train

RESULTS = Path(__file__).parent / "results" / "domain.json"
RECIPE = Path(__file__).parents[1] / "models" / "recipes" / "domain.toml"
Split = tuple[list[Row], list[Row]]


def rows_of(file: Path) -> list[Row]:
    """The file's texts, each once, without those that bear opposed labels."""
    source = file.parent.name
    read = labelled.read(file)
    return deduplicate(Row(text, hard_target(label), source) for text, label in read)


def split_texts(rows: list[Row]) -> Split:
    """(training, held-out) rows by a hash of the text."""
    held_out = [row for row in rows if is_held_out(row.text, 10)]
    others = [row for row in rows if not is_held_out(row.text, 10)]
    return without(others, [row.text for row in held_out]), held_out


def split_sentences(rows: list[Row]) -> Split:
    """(training phrases, held-out sentences), no phrase of a held-out sentence among the first.

    A sentence is a text that is part of no other.
    """
    parts = proper_parts([row.text for row in rows])
    whole = [row for row in rows if spaced(row.text) not in parts]
    held_out = [row for row in whole if is_held_out(row.text, 10)]
    theirs = {part for row in held_out for part in windows(row.text)}
    return [row for row in rows if spaced(row.text) not in theirs], held_out


def linear() -> Pipeline:
    """TF-IDF of character 1-3-grams and LinearSVC."""
    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    return make_pipeline(grams, LinearSVC())


def accuracy(predicted: Any, rows: list[Row]) -> float:
    """Share of rows whose label was predicted."""
    return round(float((np.asarray(predicted) == np.array([r.label for r in rows])).mean()), 4)


def averaged(checkpoints: list[Path]) -> SentimentModel:
    """One model with the mean of the weights of several runs from one start (a uniform soup:
    Wortsman et al., ICML 2022)."""
    models = [read_checkpoint(path)[0] for path in checkpoints]
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0)
        if weight.is_floating_point()
        else weight
        for name, weight in states[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]


def main() -> None:
    """Fine-tune, measure both on the held-out rows of each file, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--phrases", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vader", type=Path, help="as it was given to train CHECKPOINT")
    parser.add_argument("--exclude", type=Path, nargs="*", default=[], help="the same")
    parser.add_argument("--trained", action="store_true", help="only measure --out")
    parser.add_argument(
        "--average",
        type=Path,
        nargs="*",
        default=[],
        help="checkpoints of earlier runs whose weights are averaged with --out's",
    )
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--limit", type=int, default=0, help="training rows of each file; 0: all")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()

    ways: list[tuple[Path, Callable[[list[Row]], Split]]] = [
        *((file, split_texts) for file in options.files),
        *((file, split_sentences) for file in options.phrases),
    ]
    sets = {file.parent.name: way(rows_of(file)) for file, way in ways}
    known = [row.text for row in training_rows(options.vader, options.exclude)]
    for name, (rows, held_out) in sets.items():
        fresh = {text for text, _ in labelled.unseen([(row.text, "") for row in held_out], known)}
        sets[name] = rows, [row for row in held_out if row.text in fresh]
    figures: dict[str, dict[str, Any]] = {}
    for name, (rows, held_out) in sets.items():
        baseline = linear().fit([r.text for r in rows], [r.label for r in rows])
        score = accuracy(baseline.predict([r.text for r in held_out]), held_out)
        figures[name] = {"training": len(rows), "held_out": len(held_out), "linear": score}
        print(name, figures[name], flush=True)

    recipe = read_recipe(
        RECIPE, Recipe, epochs=options.epochs, threads=options.threads, seed=options.seed
    )
    limit = options.limit or None
    together = [row for rows, _ in sets.values() for row in rows[:limit]]
    judged = [row for _, held_out in sets.values() for row in held_out]
    saving = Saving(options.out / "state.pt", 200, options.resume)
    if options.trained:
        metrics = json.loads((options.out / "training.json").read_text("utf-8"))["held_out"]
    else:
        metrics = train(options.checkpoint, together, judged, options.out, recipe, saving)
    start = read_checkpoint(options.checkpoint)[0]
    tuned = averaged([options.out, *options.average])
    encoder = TextEncoder(options.out / "tokenizer.json", recipe.max_tokens)
    for name, (_, held_out) in sets.items():
        encodings = encoder.encode([row.text for row in held_out])
        labels = np.array([row.label for row in held_out])
        for stage, model in (("before", start), ("tuned", tuned)):
            pad_id = model.config.pad_token_id or 0
            logits, _means = predict(to_device(model, device()), encodings, pad_id)
            figures[name][stage] = accuracy(predict_present(logits, labels), held_out)
        print(name, figures[name], flush=True)
    body = {
        "machine": machine(),
        "date": today(),
        "torch": torch.__version__,
        "layers": tuned.config.num_hidden_layers,
        "labels": LABELS,
        "minutes": metrics["train_minutes"],
        "averaged": 1 + len(options.average),
        "sets": figures,
    }
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
