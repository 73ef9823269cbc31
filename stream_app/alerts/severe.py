"""One review that somebody must see at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream_app.messages.identity import event_hash
from stream_app.schemas import Alert, Analysis, Evidence
from stream_app.schemas.records import AlertKind

KIND: AlertKind = "severe"
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class SevereRule:
    """A review is severe when the model is sure that it is very negative, or by a safety word."""

    probability: float
    intensity: float
    words: Sequence[str] = ()
    folded: Sequence[str] = field(init=False)
    """`words` with their case folded, as texts are compared with them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folded", [word.casefold() for word in self.words])


def severe(analysis: Analysis, rule: SevereRule) -> Alert | None:
    """The alert of a severe review; its id is of the user, the review and what it is about, so a
    repeat is the same alert and nobody else's review is."""
    text = analysis.text.casefold()
    words = [word for word, folded in zip(rule.words, rule.folded, strict=True) if folded in text]
    negative = analysis.probabilities.get("negative", 0.0)
    sure = negative >= rule.probability and analysis.intensity <= rule.intensity
    # A safety word in a text that reads as praise ("no fire hazard, great") is no alarm.
    if not sure and not (words and analysis.sentiment != "positive"):
        return None
    reason = f"safety word: {', '.join(words)}" if words else f"negative with {negative:.0%}"
    subject = f"item:{analysis.item_id}" if analysis.item_id else f"user:{analysis.user_id}"
    event = event_hash("review", analysis.user_id, analysis.id)
    return Alert(
        id=f"severe:{subject}:{event:016x}",
        kind=KIND,
        subject=subject,
        time=analysis.time,
        reason=reason,
        evidence=Evidence(texts=[analysis.text[:MAX_TEXT]], words=words),
        user_id=analysis.user_id,
        review_id=analysis.id,
        intensity=analysis.intensity,
    )
