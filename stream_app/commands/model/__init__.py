"""`stream-app model`: from a BERT to a measured bundle, and from there to all workers."""

import click

from stream_app.commands.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "card": "stream_app.commands.model.bundles:card",
        "distil": "stream_app.commands.model.runs:distil",
        "evaluate": "stream_app.commands.model.bundles:evaluate",
        "export": "stream_app.commands.model.bundles:export",
        "keygen": "stream_app.commands.model.sign:keygen",
        "promote": "stream_app.commands.model.promote:promote",
        "quantise": "stream_app.commands.model.bundles:quantise",
        "search": "stream_app.commands.model.runs:search",
        "sign": "stream_app.commands.model.sign:sign",
        "train": "stream_app.commands.model.runs:train",
    },
)
def model() -> None:
    """Train, distil, export, quantise, measure, sign and promote model bundles."""
