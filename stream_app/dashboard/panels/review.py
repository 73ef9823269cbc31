"""A box to write a review in, and the way that it takes."""

from collections.abc import Callable

from nicegui import ui

from stream_app.dashboard import texts as units
from stream_app.dashboard.select import Select
from stream_app.dashboard.state import Journey
from stream_app.dashboard.view import View, attribute, card, tag

LONGEST = 4000
VISITOR = "visitor"


class ReviewPanel:
    """Writes to the input topic, where this login may."""

    def __init__(self, view: View, user: Callable[[], str], show: Callable[[str], None]) -> None:
        """`user`: the user that the page shows; `show` shows another one."""
        self._view, self._user, self._show = view, user, show
        self._journey: Journey | None = None
        self._shown: tuple[object, ...] = ()
        words = view.words
        with card("write", words("write")):
            if "reviews" not in view.reader.known:
                tag("p", words("write_denied"), "empty")
                return
            self._text = ui.textarea(words("write_text")).props(
                f"outlined autogrow maxlength={LONGEST}"
            )
            with ui.element("div").classes("controls"):
                self._item = Select(
                    {}, label=words("write_item"), with_input=True, clearable=True
                ).props("outlined dense options-dense").classes("grow")  # fmt: skip
                self._named = user()
                self._as = ui.input(words("write_user"), value=self._named)
                self._as.props("outlined dense maxlength=128")
            self._send = ui.button(words("send"), on_click=self._write)
            self._send.props("unelevated no-caps")
            self._steps = ui.element("ol").classes("steps")
            attribute(self._steps, "aria-live", "polite")

    def refresh(self, now: float) -> None:
        """Offer the items known by now, and show how far the review has come."""
        if "reviews" not in self._view.reader.known:
            return
        options = self._view.summary(now).choices.items
        # A list that is the same takes a moment to compare, and one that is not, to send.
        if options is not self._item.options:
            self._offer(options)
        if not self._named and self._user():
            # Once: a visitor may want to empty it.
            self._named = self._as.value = self._user()
        journey = self._journey
        if journey is None:
            return
        shown = (
            journey.review_id, journey.stored, journey.analysed, journey.listed,
            journey.trended, journey.alerted, journey.reason,
        )  # fmt: skip
        if shown != self._shown:
            self._shown = shown
            self._draw(journey)

    def _offer(self, options: dict[str, str]) -> None:
        """The list's choices; one that is chosen stays, even when it is offered no more."""
        chosen = self._item.value
        if chosen is not None and chosen not in options:
            options = options | {chosen: self._view.item(chosen)}
        if options != self._item.options:
            self._item.set_options(options, value=chosen)

    async def _write(self) -> None:
        from aiokafka.errors import KafkaError

        words = self._view.words
        text = (self._text.value or "").strip()
        if not text:
            ui.notify(words("write_empty"), type="warning")
            return
        user = (self._as.value or "").strip() or VISITOR
        self._send.disable()
        try:
            publisher = self._view.publisher
            self._journey = await publisher.review(self._view.state, user, text, self._item.value)
        except KafkaError as error:
            ui.notify(words("write_failed", error=type(error).__name__), type="negative")
            return
        finally:
            self._send.enable()
        self._text.value = ""
        self._show(user)

    def _draw(self, journey: Journey) -> None:
        words, view = self._view.words, self._view
        self._steps.clear()
        with self._steps:
            self._step("sent", words("step_sent"), journey.stored, journey)
            if journey.reason:
                self._step("dead", words("step_dead", reason=journey.reason), journey.died, journey)
                return
            self._step("analysed", words("step_analysed"), journey.analysed, journey)
            if (analysis := journey.analysis) is not None:
                with ui.element("li").classes("detail"):
                    opinion = (
                        f"{units.sign(analysis.sentiment)} {words.sentiment(analysis.sentiment)}"
                    )
                    intensity = units.signed(analysis.intensity)
                    tag("span", f"{opinion} {intensity}", f"chip {analysis.sentiment}")
                    for topic in analysis.topics:
                        tag("span", view.topic(topic.id), "chip")
                    tag("blockquote", analysis.text)
            self._step("listed", words("step_listed"), journey.listed, journey)
            trend = words("step_trend")
            if journey.trend:
                trend = words("step_trended", subject=view.subject(journey.trend))
            self._step("trended", trend, journey.trended, journey)
            if journey.alert is not None:
                self._step("alerted", words("step_alerted"), journey.alerted, journey)

    def _step(self, key: str, text: str, time: float, journey: Journey) -> None:
        with ui.element("li").classes("done" if time else "") as step:
            attribute(step, "data-step", key)
            tag("span", "✓" if time else "…", "sign").props("aria-hidden=true")
            tag("span", text)
            taken = units.seconds(max(time - journey.sent, 0.0)) if time else ""
            tag("span", taken or self._view.words("waiting"), "note number")
