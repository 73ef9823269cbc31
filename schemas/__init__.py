"""The records on every topic: one typed definition, from which all other forms are generated."""

from schemas.codec import Invalid, decode, encode
from schemas.records import (
    Alert,
    Analysis,
    Behaviour,
    Evidence,
    Item,
    ItemVector,
    Part,
    Reason,
    Recommendation,
    Recommendations,
    Review,
    Signal,
    Signals,
    Topic,
    Trend,
    Window,
)

__all__ = [
    "Alert",
    "Analysis",
    "Behaviour",
    "Evidence",
    "Invalid",
    "Item",
    "ItemVector",
    "Part",
    "Reason",
    "Recommendation",
    "Recommendations",
    "Review",
    "Signal",
    "Signals",
    "Topic",
    "Trend",
    "Window",
    "decode",
    "encode",
]
