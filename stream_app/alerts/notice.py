"""Alerts of surges: the difference between two judgements of a subject, before and now."""

from collections.abc import Sequence

from stream_app.alerts.surge import Surge
from stream_app.schemas import Alert, Evidence
from stream_app.schemas.records import AlertKind
from stream_app.subjects.record import Windows

BEGUN: AlertKind = "surge_begun"
OVER: AlertKind = "surge_over"


def evidence(surge: Surge) -> Evidence:
    """The counts that a surge rests on, as they stand in its alert."""
    return Evidence(
        reviews=surge.reviews,
        negatives=surge.negatives,
        rate=surge.rate,
        baseline=surge.baseline,
        p_value=surge.p_value,
    )


def notices(
    name: str, before: Sequence[Surge], after: Sequence[Surge], windows: Windows, oldest: int
) -> list[Alert]:
    """Alerts for surges that began, ended or were withdrawn between two judgements of a subject.

    Surges that began before window `oldest` are left alone: the ring is about to forget them.
    """
    alerts = []
    for surge in after:
        if surge.begin < oldest:
            continue
        known = next((old for old in before if _same(old, surge)), None)
        if known is None:
            alerts.append(begun(name, surge, windows))
        if surge.end is not None and (known is None or known.end is None):
            begin = surge.begin if known is None else known.begin
            alerts.append(over(name, surge, begin, surge.end, windows, "the share is normal again"))
    for old in before:
        if old.begin >= oldest and not any(_same(old, surge) for surge in after):
            reason = "withdrawn: late reviews changed the counts"
            alerts.append(over(name, old, old.begin, old.begin, windows, reason))
    return alerts


def begun(name: str, surge: Surge, windows: Windows) -> Alert:
    """The alert of a surge's begin."""
    return Alert(
        id=f"surge:{name}:{surge.begin}",
        kind=BEGUN,
        subject=name,
        time=(surge.begin + 1) * windows.seconds,
        reason=(
            f"{surge.negatives} of {surge.reviews} reviews negative ({surge.rate:.0%}), "
            f"usually {surge.baseline:.0%}"
        ),
        evidence=evidence(surge),
    )


def over(name: str, surge: Surge, begin: int, end: int, windows: Windows, reason: str) -> Alert:
    """The alert of a surge's end."""
    return Alert(
        id=f"surge:{name}:{begin}:over",
        kind=OVER,
        subject=name,
        time=(end + 1) * windows.seconds,
        reason=reason,
        evidence=evidence(surge),
        began=begin * windows.seconds,
    )


def _same(one: Surge, other: Surge) -> bool:
    """Whether two judgements are of one surge: they overlap, though late reviews may have moved its
    begin."""
    ends = [float("inf") if s.end is None else s.end for s in (one, other)]
    return one.begin <= ends[1] and other.begin <= ends[0]
