"""The published trend of a subject, computed from its record."""

from collections import Counter
from collections.abc import Sequence

from stream_app.schemas import Emerging, Evidence, Topic, Trend, Window
from stream_app.subjects.pairs import pack
from stream_app.subjects.record import Counts, Subject, Windows

HISTORY = 12
TOP = 3


def trend(
    name: str,
    subject: Subject,
    windows: Windows,
    surge: Evidence | None,
    emerging: Sequence[Emerging] = (),
) -> Trend:
    """The trend of a subject with at least one event."""
    newest = windows.index(subject.clock)
    counts = subject.windows.get(newest, Counts())
    history = [
        Window(
            index * windows.seconds,
            past.reviews,
            _share(past.negatives, past.reviews),
            past.intensity / past.reviews,
        )
        for index, past in sorted(subject.windows.items())
        if newest - HISTORY <= index < newest and past.reviews
    ]
    return Trend(
        subject=name,
        start=newest * windows.seconds,
        seconds=windows.seconds,
        reviews=counts.reviews,
        negative_share=_share(counts.negatives, counts.reviews),
        positive_share=_share(counts.positives, counts.reviews),
        mean_intensity=counts.intensity / counts.reviews if counts.reviews else 0.0,
        top_topics=_top(subject),
        popularity=subject.popularity,
        opinions=subject.opinions,
        opinion=subject.opinion / subject.opinions if subject.opinions > 0 else 0.0,
        time=subject.clock,
        history=history,
        surge=surge,
        emerging=list(emerging),
        neighbours=pack(subject.neighbours),
    )


def _share(part: int, total: int) -> float:
    return part / total if total else 0.0


def _top(subject: Subject) -> list[Topic]:
    """Most named topics of the newest windows, score = share of their reviews."""
    named: Counter[str] = Counter()
    for counts in subject.topics.values():
        named.update(counts)
    reviews = sum(subject.windows[i].reviews for i in subject.topics if i in subject.windows)
    ranked = sorted(named.items(), key=lambda entry: (-entry[1], entry[0]))
    return [Topic(topic, min(1.0, count / reviews)) for topic, count in ranked[:TOP]]
