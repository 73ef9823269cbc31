"""The list of alerts, with the evidence for each."""

import time
from datetime import UTC, datetime

from nicegui import ui

from stream_app.dashboard import texts as units
from stream_app.dashboard.view import View, attribute, card, tag
from stream_app.schemas import Alert

SHOWN = 20
AT_ONCE = 2
"""New entries in one refresh."""
KINDS = {"severe": "negative", "surge_begun": "negative", "surge_over": "positive"}


class Alerts:
    """An entry an alert: entries keep their place in the page, and with it the focus."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._entries: dict[str, ui.element] = {}
        self._order: list[str] = []
        self._seen: set[str] = set()
        words = view.words
        with card("alerts", words("alerts"), classes="tall"):
            self._with_seen = ui.switch(
                words("show_seen"), on_change=lambda: self._refresh(time.time(), SHOWN)
            )
            self._with_seen.props("dense")
            self._empty = tag("p", words("alerts_empty"), "empty")
            self._list = ui.element("ol").classes("feed")
            attribute(self._list, "aria-label", words("alerts"))

    def refresh(self, now: float) -> None:
        """Add what is new at the top, take out what somebody has seen. Of many alerts at once only
        AT_ONCE are drawn now: a flood of them must not hold up all pages."""
        self._refresh(now, AT_ONCE if self._order else SHOWN)

    def _refresh(self, now: float, most: int) -> None:
        state = self._view.state
        summary = self._view.summary(now)
        wanted = (summary.alerts if self._with_seen.value else summary.open_alerts)[:SHOWN]
        seen = {alert.id for alert in wanted if state.acknowledged(alert.id)}
        changed = seen ^ self._seen
        new = [a.id for a in wanted if a.id not in self._entries or a.id in changed]
        wanted = [alert for alert in wanted if alert.id not in new[most:]]
        ids = [alert.id for alert in wanted]
        seen &= set(ids)
        if ids == self._order and seen == self._seen:
            return
        for name in [n for n in self._entries if n not in ids or n in changed]:
            self._entries.pop(name).delete()
        for place, alert in enumerate(wanted):
            entry = self._entries.get(alert.id)
            if entry is None:
                with self._list:
                    entry = self._entries[alert.id] = self._entry(alert, alert.id in seen)
            if self._list.default_slot.children.index(entry) != place:
                entry.move(target_index=place)
        self._order, self._seen = ids, seen
        self._empty.set_visibility(not ids)

    def _entry(self, alert: Alert, seen: bool) -> ui.element:
        view, words = self._view, self._view.words
        what = f"{words.kind(alert.kind)}, {view.subject(alert.subject)}"
        with ui.element("li").classes(f"alert {'seen' if seen else ''}") as entry:
            attribute(entry, "data-alert", alert.id)
            with ui.element("div").classes("alert-head"):
                tag("span", words.kind(alert.kind), f"chip {KINDS.get(alert.kind, 'neutral')}")
                tag("span", view.subject(alert.subject), "strong")
                stamp = datetime.fromtimestamp(alert.time, UTC)
                shown = tag("time", stamp.strftime("%m-%d %H:%M UTC"), "note")
                attribute(shown, "datetime", stamp.isoformat())
            tag("p", self._why(alert))
            for text in alert.evidence.texts[:2]:
                tag("blockquote", text)
            if alert.kind != "surge_over" and view.reader.reads("acknowledgements"):
                key = "reopen" if seen else "acknowledge"
                button = ui.button(words(key), on_click=lambda: self._mark(alert, not seen))
                button.props("outline dense no-caps size=md")
                attribute(button, "aria-label", words(f"{key}_what", what=what))
        return entry

    def _why(self, alert: Alert) -> str:
        words, evidence = self._view.words, alert.evidence
        if alert.kind == "severe":
            if evidence.words:
                return words("safety", words=", ".join(evidence.words))
            return words("very_negative", intensity=units.signed(alert.intensity or 0.0))
        if alert.kind == "surge_over":
            withdrawn = alert.reason.startswith("withdrawn")
            return words("surge_withdrawn" if withdrawn else "surge_normal")
        if alert.kind != "surge_begun":
            return alert.reason  # of a later version
        evidence_text = words(
            "surge_evidence",
            negatives=evidence.negatives,
            reviews=evidence.reviews,
            rate=f"{evidence.rate or 0:.0%}",
            baseline=f"{evidence.baseline or 0:.0%}",
        )
        if evidence.p_value is None:
            return evidence_text
        return f"{evidence_text} · {words('chance', p=f'{evidence.p_value:.1g}')}"

    async def _mark(self, alert: Alert, seen: bool) -> None:
        from aiokafka.errors import KafkaError

        try:
            await self._view.publisher.acknowledge(alert.id, withdrawn=not seen)
        except KafkaError as error:
            ui.notify(self._view.words("write_failed", error=type(error).__name__), type="negative")
