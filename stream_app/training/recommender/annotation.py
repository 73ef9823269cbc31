"""Intensity and embedding of a log's texts: what the stream would have had from `analyse`."""

from dataclasses import replace

from stream_app.inference.batching import Inference
from stream_app.messages.vectors import pack
from stream_app.text.clean import clean
from stream_app.training.recommender.log import Log


def annotated(log: Log, inference: Inference) -> Log:
    """The log with intensity and embedding of each interaction that has a text."""
    rows = [row for row, given in enumerate(log.interactions) if clean(given.text)]
    outputs = inference.infer([clean(log.interactions[row].text) for row in rows])
    interactions = list(log.interactions)
    for place, row in enumerate(rows):
        if place not in outputs.errors:
            interactions[row] = replace(
                interactions[row],
                intensity=float(outputs.intensity[place]),
                vector=pack(outputs.embedding[place]),
            )
    return replace(log, interactions=interactions)
