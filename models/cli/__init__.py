"""`stream-app model`: train, distil, search, export, quantise, evaluate, and a bundle's card."""

from models.cli.bundles import card, evaluate, export, quantise
from models.cli.group import model
from models.cli.runs import distil, search, train

__all__ = ["card", "distil", "evaluate", "export", "model", "quantise", "search", "train"]
