"""One user: what they wrote about, what is recommended and why, what the last review changed."""

import time

from nicegui import ui

from stream_app import schemas
from stream_app.dashboard import charts
from stream_app.dashboard import texts as units
from stream_app.dashboard.select import Select
from stream_app.dashboard.users import RankedItem, User, changes
from stream_app.dashboard.view import View, attribute, card, tag
from stream_app.schemas import Recommendation, Recommendations

ITEMS = 8
REVIEWS = 3
TOPICS = 6


class UserPanel:
    """Follows the user that is chosen."""

    def __init__(self, view: View, user_id: str) -> None:
        self._view = view
        self._shown: tuple[object, ...] = ()
        self._offered: list[str] = []
        words = view.words
        with card("user", words("user")):
            options = [user_id] if user_id else []
            self._user = Select(
                options, value=user_id or None, label=words("user_pick"), with_input=True,
                on_change=lambda: self.refresh(time.time()),
            ).props("outlined dense options-dense").classes("pick")  # fmt: skip
            self._body = ui.element("div")

    @property
    def user_id(self) -> str:
        """The chosen one; empty: none yet."""
        return self._user.value or ""

    def choose(self, user_id: str) -> None:
        """Show another user."""
        self._offer(user_id)
        self._user.value = user_id

    def refresh(self, now: float) -> None:
        """Draw again if the user's list or reviews changed."""
        offered = self._view.summary(now).choices.users
        if offered is not self._offered:
            self._offered = offered
            self._offer(self.user_id)
        if not self.user_id and (found := _default_user(self._view)):
            self.choose(found)
        user = self._view.state.users.get(self.user_id)
        reviews = () if user is None else tuple(user.reviews)
        lists = () if user is None else (user.newest, user.after)
        shown = (self.user_id, lists, reviews)
        if shown == self._shown:
            return
        self._shown = shown
        self._body.clear()
        with self._body:
            if user is None:
                tag("p", self._view.words("user_empty"), "empty")
            else:
                self._draw(user)

    def _offer(self, user_id: str) -> None:
        options = sorted({*self._offered, user_id} - {""})
        if options != self._user.options:
            self._user.set_options(options, value=self._user.value)

    def _draw(self, user: User) -> None:
        words = self._view.words
        with ui.element("div").classes("split"):
            with ui.element("div"):
                if user.newest is not None:
                    tag("h3", words("recommended"))
                    self._list(user, schemas.decode(user.newest, Recommendations))
            with ui.element("div"):
                if user.tastes:
                    tag("h3", words("interest"))
                    by_weight = sorted(user.tastes.items(), key=lambda t: (-sum(t[1]), t[0]))
                    tastes = {self._view.topic(t): sums for t, sums in by_weight[:TOPICS]}
                    chart = ui.echart(charts.interest(tastes, words), renderer="svg")
                    chart.classes("chart").style(f"height: {48 + 28 * len(tastes)}px")
                if user.reviews:
                    tag("h3", words("last_reviews"))
                    for text in list(user.reviews)[: -REVIEWS - 1 : -1]:
                        with ui.element("blockquote"):
                            opinion = f"{units.sign(text.sentiment)} {units.signed(text.intensity)}"
                            tag("span", opinion, f"strong {text.sentiment}")
                            about = f" {self._view.item(text.item_id)}: " if text.item_id else " "
                            tag("span", about, "note")
                            tag("span", text.text)

    def _list(self, user: User, record: Recommendations) -> None:
        words = self._view.words
        changed = changes(user)
        moved: dict[str, RankedItem] = {}
        if changed is None:
            tag("p", words("changed_nothing"), "note")
        else:
            after, listed, gone = changed
            moved = {entry.item_id: entry for entry in listed}
            cause = after.based_on
            about = f"“{self._view.item(cause.item_id)}”" if cause.item_id else words("no_item")
            text = words("changed", item=about, intensity=units.signed(cause.intensity or 0.0))
            attribute(tag("p", text, "note"), "data-figure", "changed")
            if gone:
                left = ", ".join(entry.title for entry in gone)
                tag("p", words("gone", items=left), "note")
        with ui.element("ol").classes("ranking"):
            best = max((item.score for item in record.items), default=1.0) or 1.0
            for item in record.items[:ITEMS]:
                self._item(item, moved.get(item.item_id), item.score / best)
        if record.withheld:
            kept = (
                f"{words.rule(rule)} ({', '.join(self._view.item(name) for name in names)})"
                for rule, names in record.withheld.items()
            )
            tag("p", words("withheld", rules="; ".join(kept)), "note")

    def _item(self, item: Recommendation, moved: RankedItem | None, share: float) -> None:
        words = self._view.words
        with ui.element("li") as entry:
            attribute(entry, "data-item", item.item_id)
            with ui.element("div").classes("rank-head"):
                tag("span", item.title, "strong")
                if moved is not None:
                    text, colour = _moved(moved, self._view)
                    tag("span", text, f"chip {colour}")
                tag("span", f"{item.score:.2f}", "note number")
            with ui.element("div").classes("meter") as meter:
                attribute(meter, "aria-hidden", "true")
                ui.element("span").style(f"width: {max(share, 0):.0%}")
            why = [words.pick(reason.en, reason.zh) for reason in item.reasons[:2]]
            if why:
                tag("p", " · ".join(why), "note")


def _moved(entry: RankedItem, view: View) -> tuple[str, str]:
    if entry.moved is None:
        return f"＋ {view.words('new')}", "positive"
    if entry.moved > 0:
        return f"▲ {view.words('up', n=entry.moved)}", "positive"
    if entry.moved < 0:
        return f"▼ {view.words('down', n=-entry.moved)}", "negative"
    return f"＝ {view.words('same')}", "neutral"


def _default_user(view: View) -> str:
    """A user whose list a review has changed, else any."""
    users = view.state.users
    ids = users.ids()
    found = (i for i in ids if (u := users.get(i)) is not None and u.before and u.after)
    return next(found, ids[0] if ids else "")
