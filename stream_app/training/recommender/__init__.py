"""Recommenders on recorded interactions: read a log, split it, train, rank, measure."""

from typing import Literal, get_args

Protocol = Literal["leave-last-out", "time-split", "prequential"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
