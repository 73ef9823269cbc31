"""The figures of the page, from messages alone."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_app import schemas
from stream_app.dashboard import dead_letters, titles
from stream_app.dashboard import sentiment as sentiment_module
from stream_app.dashboard import state as state_module
from stream_app.dashboard import users as users_module
from stream_app.dashboard.dead_letters import DeadLetters
from stream_app.dashboard.rates import Latencies, Rates
from stream_app.dashboard.sentiment import ALL, HOUR, SentimentByHour
from stream_app.dashboard.state import UNMATCHED, DashboardState, Journey
from stream_app.dashboard.summary import OFFER_SECONDS, SECONDS, Summaries
from stream_app.dashboard.titles import Titles
from stream_app.dashboard.users import changes
from stream_app.emerging import discovered as emerging
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.message import INGEST_TIME, Message
from stream_app.schemas import (
    Acknowledgement,
    Alert,
    Analysis,
    Evidence,
    Recommendations,
    Topic,
    Trend,
)
from stream_app.schemas.records import Event, Recommendation, Sentiment, Source
from stream_app.text.mask import Masker

NOW = 1_795_510_000.0


def message(
    topic: str,
    value: object,
    key: str = "k",
    time: float = NOW,
    received: float | None = NOW - 0.5,
) -> Message:
    """`received`: when the review of an analysis came."""
    stamped = topic == "analyses" and received is not None
    headers = ((INGEST_TIME, str(round(1000 * (received or 0))).encode()),) if stamped else ()
    return Message(topic, 0, 0, key.encode(), schemas.encode(value), headers, time)


def analysis(
    number: int,
    sentiment: str = "negative",
    *,
    user: str = "u1",
    item: str | None = "p1",
    topics: tuple[str, ...] = ("battery",),
    time: float = NOW,
) -> Analysis:
    intensity = {"negative": -0.9, "positive": 0.9}.get(sentiment, 0.0)
    return Analysis(
        id=f"r{number}", user_id=user, text="text", language="en", sentiment=sentiment,
        probabilities={}, intensity=intensity, topics=[Topic(t, 1.0) for t in topics], model="m",
        time=time, source=Source("reviews", 0, number), vector="", item_id=item,
        masked={"PHONE": 2},
    )  # fmt: skip


def listed(user: str, ids: str, offset: int, kind: str = "view") -> Recommendations:
    items = [Recommendation(i, f"Item {i}", 0.5, [], []) for i in ids]
    return Recommendations(user, items, Event(kind, NOW, "p1", -0.9), {"reviews/0": offset})


def alert(number: int, kind: str = "severe", time: float = NOW) -> Alert:
    return Alert(f"a{number}", kind, "item:p1", time, "why", Evidence(), review_id=f"r{number}")


def trend(subject: str, time: float = NOW, surge: bool = False) -> Trend:
    return Trend(
        subject=subject, start=0.0, seconds=60.0, reviews=1, negative_share=1.0,
        positive_share=0.0, mean_intensity=-1.0, top_topics=[], popularity=2.5, time=time,
        history=[], surge=Evidence() if surge else None,
    )  # fmt: skip


@pytest.fixture
def state() -> DashboardState:
    return DashboardState(Masker())


def test_the_subject_without_topic_is_called_as_the_worker_calls_it() -> None:
    assert UNMATCHED == emerging.SUBJECT


def test_reviews_are_counted_once_by_sentiment_subject_and_hour(state: DashboardState) -> None:
    kinds: list[Sentiment] = ["negative", "positive", "neutral", "negative"]
    for number, kind in enumerate(kinds):
        topics = () if kind == "neutral" else ("battery",)
        told = analysis(number, kind, topics=topics, time=NOW - HOUR * number)
        state.apply(message("analyses", told), NOW)
        state.apply(message("analyses", told), NOW)  # delivered again
    assert state.reviews == 4
    assert state.sentiments == Counter(kinds)
    assert state.masked == 8
    assert state.sentiment_by_hour.reviews("topic:battery") == 3
    assert state.sentiment_by_hour.reviews(UNMATCHED) == 1
    assert state.sentiment_by_hour.subjects() == [ALL, "item:p1", "topic:battery", UNMATCHED]
    newest = state.sentiment_by_hour.series("item:p1", 4, 1)
    assert [slot[1:] for slot in newest] == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0)]
    assert newest[-1].start == NOW // HOUR * HOUR
    assert state.rates["analyses"].rate(NOW) == 0.4


def test_what_is_no_record_of_ours_is_counted_and_passed_over(state: DashboardState) -> None:
    for value in (b"not json", b"[]", None, b'{"id": 1}'):
        for topic in ("analyses", "recommendations", "alerts", "trends", "acknowledgements"):
            state.apply(Message(topic, 0, 0, None, value, (), NOW), NOW)
    assert state.unreadable == 20
    assert state.reviews == state.alerted == len(state.users) == 0


def test_values_that_a_later_version_writes_are_shown(state: DashboardState) -> None:
    state.apply(message("alerts", alert(1, "flood")), NOW)
    later = replace(analysis(1), sentiment="mixed", probabilities={"mixed": 1.0}, language="ja")
    state.apply(message("analyses", later), NOW)
    state.apply(message("analyses", analysis(2)), NOW)
    assert [a.kind for a in state.open_alerts()] == ["flood"]
    assert state.reviews == 2
    assert state.sentiments == {"other": 1, "negative": 1}
    assert state.sentiment_by_hour.reviews("item:p1") == 1
    assert state.unreadable == 0


def test_latency_is_known_whichever_topic_is_read_first(state: DashboardState) -> None:
    for number, (first, second) in enumerate(((0, 1), (1, 0))):
        user = f"u{number}"
        came = [
            message("analyses", analysis(number, user=user), time=NOW - 0.4),
            message("recommendations", listed(user, "ab", number), time=NOW - 0.25),
        ]
        state.apply(came[first], NOW)
        state.apply(came[second], NOW)
        # A later list of the same user is no measure of the review's way.
        state.apply(message("recommendations", listed(user, "abc", number + 9), time=NOW), NOW)
    analysed, refreshed = state.analysed.quantiles(NOW), state.refreshed.quantiles(NOW)
    assert analysed is not None and refreshed is not None
    assert analysed.median == pytest.approx(0.1)
    assert refreshed.median == pytest.approx(0.25)
    assert refreshed.samples == 2


def test_a_list_without_the_review_does_not_end_its_way(state: DashboardState) -> None:
    state.apply(message("analyses", analysis(7)), NOW)
    state.apply(message("recommendations", listed("u1", "a", 6)), NOW)
    assert state.refreshed.quantiles(NOW) is None


def test_an_alert_is_open_until_acknowledged_and_again_when_that_is_withdrawn(
    state: DashboardState,
) -> None:
    for number, kind in enumerate(("severe", "surge_begun", "surge_over")):
        state.apply(message("alerts", alert(number, kind, NOW + number)), NOW)
        state.apply(message("alerts", alert(number, kind, NOW + number)), NOW)
    assert state.alerted == 3
    assert [a.id for a in state.open_alerts()] == ["a1", "a0"]
    state.apply(message("acknowledgements", Acknowledgement("a1", NOW)), NOW)
    assert [a.id for a in state.open_alerts()] == ["a0"]
    state.apply(message("acknowledgements", Acknowledgement("a1", NOW, withdrawn=True)), NOW)
    assert [a.id for a in state.open_alerts()] == ["a1", "a0"]


def test_an_acknowledgement_read_before_its_alert_counts(state: DashboardState) -> None:
    state.apply(message("acknowledgements", Acknowledgement("a1", NOW)), NOW)
    state.apply(message("alerts", alert(1)), NOW)
    assert state.open_alerts() == []


def test_what_the_last_review_changed(state: DashboardState) -> None:
    review = listed("u1", "bda", 2, "review")
    for record in (listed("u1", "abc", 1), review, review, listed("u1", "bad", 3)):
        state.apply(message("recommendations", record), NOW)
    user = state.users.get("u1")
    assert user is not None
    changed = changes(user)
    assert changed is not None
    after, moved, gone = changed
    assert [item.item_id for item in after.items] == ["b", "d", "a"]
    assert [(m.item_id, m.moved) for m in moved] == [("b", 1), ("d", None), ("a", -2)]
    assert [g.item_id for g in gone] == ["c"]
    assert schemas.decode(user.newest, Recommendations).items[1].item_id == "a"
    assert state.titles.get("d") == "Item d"


def test_a_first_list_has_no_change_to_tell(state: DashboardState) -> None:
    state.apply(message("recommendations", listed("u1", "a", 1, "review")), NOW)
    user = state.users.get("u1")
    assert user is not None and changes(user) is None


def test_tastes_are_sums_of_praise_and_of_complaint(state: DashboardState) -> None:
    for number, kind in enumerate(("positive", "positive", "negative", "neutral")):
        state.apply(message("analyses", analysis(number, kind)), NOW)
    user = state.users.get("u1")
    assert user is not None
    assert user.tastes == {"battery": [pytest.approx(1.8), pytest.approx(0.9)]}


def test_a_written_review_is_followed_in_any_order_of_reading() -> None:
    steps = [
        message("analyses", analysis(7), time=NOW + 1),
        message("recommendations", listed("u1", "a", 7), time=NOW + 2),
        message("trends", trend("topic:battery"), time=NOW + 3),
        message("alerts", alert(7), time=NOW + 1),
    ]
    for seed in range(20):
        random.Random(seed).shuffle(steps)
        state = DashboardState(Masker())
        journey = Journey("r7", "u1", NOW)
        state.track(journey)
        state.apply(message("trends", trend("topic:battery", NOW - 1)), NOW)  # an older one
        for step in steps:
            state.apply(step, NOW + 9)
        times = (journey.analysed, journey.listed, journey.trended, journey.alerted)
        assert times == (NOW + 1, NOW + 2, NOW + 3, NOW + 1)
        assert journey.trend == "topic:battery"


def test_a_written_review_that_dies_says_why(state: DashboardState) -> None:
    journey = Journey("r1", "u1", NOW)
    state.track(journey)
    source = Message("reviews", 1, 5, b"r1", b"secret", (), NOW)
    letter = dead_letter(source, ValueError("the text is empty"), "analyse")
    state.apply(Message("dead-letters", 0, 0, letter.key, letter.value, letter.headers, NOW), NOW)
    assert (journey.reason, journey.died) == ("the text is empty", NOW)
    assert state.dead_letters.total == 1


def test_reasons_are_masked_and_those_that_differ_by_a_number_are_one() -> None:
    found = DeadLetters(Masker())
    source = Message("reviews", 1, 5, b"k", b"call 13800138000", (), NOW)
    for told in ("not UTF-8: byte 3 of 10", "not UTF-8: byte 7 of 22", "no: 13800138000"):
        found.add(dead_letter(source, ValueError(told), "analyse").headers)
    assert [(c.reason, c.stage, c.topic, n) for c, n in found.causes()] == [
        ("not UTF-8: byte N of N", "analyse", "reviews", 2),
        ("no: [PHONE]", "analyse", "reviews", 1),
    ]
    assert found.add(()) == "unknown"


def test_a_change_is_told_where_there_are_enough_reviews_on_both_sides() -> None:
    told = SentimentByHour()
    for hour in range(100):
        worse = hour >= 80
        told.add(["item:worse"], hour * HOUR, "negative" if worse else "positive")
        told.add(["item:same"], hour * HOUR, "negative")
        told.add(["item:same"], hour * HOUR, "positive")
        if hour % 25 == 0:
            told.add(["item:few"], hour * HOUR, "negative")
    (move,) = told.moves()
    assert move.subject == "item:worse"
    assert move.z > 5
    assert (move.before, move.reviews) == (0.0, 24)
    assert move.share == pytest.approx(20 / 24)


def test_rates_and_latencies_forget() -> None:
    rates, taken = Rates(), Latencies()
    for second in range(5000):
        rates.add(NOW + second)
        taken.add(NOW + second, 1.0 if second < 4900 else 2.0)
    now = NOW + 5000
    assert rates.rate(now) == pytest.approx(0.9)
    assert [rate for _, rate in rates.series(now, 5)] == [1.0] * 60
    assert len(rates._counts) <= 600
    found = taken.quantiles(now)
    assert found is not None and found.samples == 299
    assert (found.median, found.high) == (1.0, 2.0)
    assert taken.quantiles(now + 400) is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, most in (
        (state_module, "ALERTS", 20), (state_module, "SUBJECTS", 20), (titles, "TITLES", 9),
        (state_module, "KNOWN", 50), (state_module, "LISTED", 20), (state_module, "JOURNEYS", 5),
        (users_module, "USERS", 20), (sentiment_module, "SUBJECTS", 20),
        (dead_letters, "GROUPS", 10),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, most)
    state = DashboardState(Masker())
    for number in range(200):
        user = f"u{number}"
        told = analysis(number, user=user, item=f"p{number}", time=NOW + number * HOUR)
        state.apply(message("analyses", told), NOW)
        state.apply(message("recommendations", listed(user, f"x{number}y", -1)), NOW)
        state.apply(message("alerts", alert(number)), NOW)
        state.apply(message("trends", trend(f"item:p{number}")), NOW)
        state.apply(message("acknowledgements", Acknowledgement(f"a{number}", NOW)), NOW)
        source = Message("reviews", 0, number, b"k", b"", (), NOW)
        letter = dead_letter(source, ValueError("x" * number), "analyse")
        state.apply(Message("dead-letters", 0, 0, b"k", b"", letter.headers, NOW), NOW)
        state.track(Journey(f"j{number}", user, NOW))
    assert (state.reviews, state.alerted, state.dead_letters.total) == (200, 200, 200)
    sizes = [
        len(state.alerts), len(state.standings), len(state.titles), len(state._known),
        len(state._acknowledged), len(state._waiting), len(state._lists), len(state.journeys),
        len(state.users), len(state.sentiment_by_hour.subjects()), len(state.dead_letters.causes()),
    ]  # fmt: skip
    assert sizes == [20, 20, 9, 50, 50, 20, 20, 5, 20, 20, 11]
    assert ALL in state.sentiment_by_hour.subjects()
    assert state.sentiment_by_hour.reviews(ALL) == sentiment_module.HOURS, (
        "one an hour, of the newest hours"
    )
    # The newest are kept.
    assert state.users.ids()[0] == "u199"


def test_surges_and_emerging_topics_follow_the_newest_trend(state: DashboardState) -> None:
    state.apply(message("trends", trend("item:p1", surge=True)), NOW)
    assert state.standings["item:p1"].surge
    state.apply(message("trends", trend("item:p1")), NOW)
    assert not state.standings["item:p1"].surge
    found = schemas.Emerging(["points"], 50, 36.5, ["my points are gone"], 1.0, 2.0)
    value = schemas.encode(trend(UNMATCHED))[:-1] + b',"emerging":[' + schemas.encode(found) + b"]}"
    state.apply(Message("trends", 0, 0, b"emerging", value, (), NOW), NOW)
    assert state.emerging == [found]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "Z", ""]))))
def test_titles_are_in_order_whatever_comes(puts: list[tuple[str, str]]) -> None:
    kept, most = Titles(), titles.TITLES
    titles.TITLES = 5
    try:
        for item, title in puts:
            kept.put(item, title)
    finally:
        titles.TITLES = most
    last = list(dict.fromkeys(item for item, _ in reversed(puts)))[:5]
    wanted = {item: next(t for i, t in reversed(puts) if i == item) for item in last}
    assert len(kept) == len(wanted)
    assert list(kept.first(99).items()) == sorted(wanted.items(), key=lambda e: (e[1], e[0]))
    assert list(kept.first(2)) == list(kept.first(99))[:2]


REVIEWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 400),
        st.sampled_from(["negative", "neutral", "positive", "of tomorrow"]),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(REVIEWS, st.sampled_from([(24, 1), (168, 6), (168, 24)]))
def test_counts_by_hour_are_those_of_counting_anew(
    reviews: list[tuple[str, int, str]], span: tuple[int, int]
) -> None:
    counts = SentimentByHour()
    newest = 0
    kept: list[tuple[str, int, str]] = []
    for subject, hour, sentiment in reviews:
        counts.add([subject], hour * HOUR + 1, sentiment)
        newest = max(newest, hour)
        kept.append((subject, hour, sentiment))
    kept = [
        r for r in kept if r[1] > newest - sentiment_module.HOURS and r[2] in sentiment_module.ORDER
    ]
    hours, step = span
    first = newest // step - hours // step + 1
    for subject in ("a", "b", "c", ALL):
        mine = [r for r in kept if subject in (ALL, r[0])]
        assert counts.reviews(subject) == len(mine)
        for number, slot in enumerate(counts.series(subject, hours, step)):
            within = Counter(m for _, hour, m in mine if hour // step == first + number)
            assert slot.start == (first + number) * step * HOUR
            assert slot[1:] == tuple(within[sentiment] for sentiment in sentiment_module.ORDER)


def test_a_summary_is_shared_for_a_moment_and_never_between_states(state: DashboardState) -> None:
    summaries = Summaries()
    state.apply(message("recommendations", listed("u1", "ab", 1)), NOW)
    first = summaries.at(state, NOW)
    assert first.choices.users == ["u1"] and list(first.choices.items) == ["a", "b"]
    assert first.choices.subjects == [ALL]
    state.apply(message("alerts", alert(1)), NOW)
    state.apply(message("analyses", analysis(1, user="u2")), NOW)
    assert summaries.at(state, NOW + SECONDS / 2) is first
    second = summaries.at(state, NOW + SECONDS)
    assert [a.id for a in second.open_alerts] == ["a1"]
    assert second.choices is first.choices
    assert summaries.at(state, NOW + OFFER_SECONDS).choices.users == ["u1", "u2"]
    assert summaries.at(DashboardState(Masker()), NOW).open_alerts == []


def test_a_time_that_no_calendar_has_is_no_record_of_ours(state: DashboardState) -> None:
    for time in (-1.0, 1e12, 1e300):
        state.apply(message("analyses", analysis(1, time=time)), NOW)
        state.apply(message("alerts", alert(1, time=time)), NOW)
    assert state.unreadable == 6
    assert state.reviews == state.alerted == 0
