"""Bundles and a linear model on labelled texts that none of them was trained on.

    python -m bench.sentiment --vader FILE [--exclude FILE] [--bundle DIR ...]
        [--phrases FILE ...] [FILE ...]

The linear model (TF-IDF of character 1-3-grams and LinearSVC of scikit-learn) is fitted to the
rows that `stream-app model train` reads with the same options. Of each labelled FILE, texts that
the training rows hold are left out. `--phrases` are files of phrases cut out of sentences (SST-2):
of the last, the texts that are part of no other are measured. `amazon` is the fifth of VADER's
Amazon snippets that no run trains on, in three classes; `human` the correlation of intensity,
p(positive) - p(negative), with the mean human scores there. `hard` are the project's 200 hard
sentences.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from bench.domain import linear
from bench.phrases import sentences
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.measures import (
    Floats,
    Ints,
    calibration_error,
    f1_scores,
    predict_present,
)
from stream_app.inference.runtime import Model
from stream_app.training.model import data, evaluation, labelled
from stream_app.training.model.corpus import training_rows
from stream_app.training.model.data import LABELS

RESULTS = Path(__file__).parent / "results" / "sentiment.json"
HARD = Path(__file__).parents[1] / "tests" / "inference" / "hard.jsonl"
AMAZON = "vader-amazonReviewSnippets"


def judge(scores: Floats, labels: Ints) -> dict[str, float]:
    """Accuracy and macro-F1 among the classes that occur."""
    predicted = predict_present(scores, labels)
    f1 = f1_scores(predicted, labels)
    return {
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(np.mean([f1[c] for c in np.unique(labels)])), 4),
    }


def correlation(scores: Floats, human: list[float]) -> float:
    """Pearson's r of positive less negative scores with human ones."""
    return round(float(np.corrcoef(scores[:, 2] - scores[:, 0], human)[0, 1]), 4)


def measured(scores: Floats, rows: list[labelled.Labelled], human: list[float]) -> dict[str, Any]:
    """The figures of one model on one set."""
    labels = np.array([LABELS.index(label) for _, label in rows])
    figures: dict[str, Any] = judge(scores, labels)
    if human:
        figures["human"] = correlation(scores, human)
    return figures


def main() -> None:
    """Measure all on the same texts and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--vader", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, nargs="*", default=[], help="as given to train")
    parser.add_argument("--phrases", type=Path, nargs="*", default=[])
    parser.add_argument("--bundle", type=Path, nargs="*", default=[default_bundle()])
    parser.add_argument("--limit", type=int, default=0, help="texts of each FILE; 0: all")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()

    known = training_rows(options.vader, options.exclude)
    training, held_out = data.split(known)
    scores_of = {data.normal_form(t): s for _, s, t in data.vader_snippets(options.vader)}
    amazon = [row for row in held_out if row.source == AMAZON]
    sets: dict[str, list[labelled.Labelled]] = {
        "hard": labelled.read(HARD),
        "amazon": [(row.text, LABELS[row.label]) for row in amazon],
    }
    human = {"amazon": [scores_of[data.normal_form(row.text)] for row in amazon]}
    trained = [row.text for row in known]
    for file in options.files:
        fresh = labelled.unseen(labelled.read(file), trained)
        sets[file.parent.name] = labelled.sample(fresh, options.limit)

    if options.phrases:
        last = options.phrases[-1]
        whole = labelled.unseen(sentences(options.phrases), trained)
        sets[last.parent.name] = labelled.sample(whole, options.limit)

    baseline: Pipeline = linear()
    baseline.fit(
        [row.text for row in training],
        [row.label for row in training],
        linearsvc__sample_weight=[row.weight for row in training],
    )
    figures: dict[str, dict[str, Any]] = {name: {"rows": len(r)} for name, r in sets.items()}
    for name, rows in sets.items():
        decided = baseline.decision_function([text for text, _ in rows])
        figures[name]["linear"] = measured(decided, rows, human.get(name, []))
    for folder in options.bundle:
        inference = Inference(Model(load(folder)), cache_size=0)
        for name, rows in sets.items():
            out = inference.infer([text for text, _ in rows])
            own = measured(out.probabilities, rows, human.get(name, []))
            labels = np.array([LABELS.index(label) for _, label in rows])
            if len(np.unique(labels)) == len(LABELS):
                own["calibration_error"] = round(calibration_error(out.probabilities, labels), 4)
            figures[name][inference.version] = own
        inference.close()
    for name, values in figures.items():
        print(name, json.dumps(values, indent=1))
    body = {
        "command": "python -m bench.sentiment",
        "date": evaluation.today(),
        "machine": evaluation.machine(),
        "training": {"rows": len(training), "sources": sorted({r.source for r in training})},
        "sets": figures,
    }
    options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
