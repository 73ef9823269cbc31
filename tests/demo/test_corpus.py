import re
from collections import Counter

import phonenumbers
import pytest
from msgspec import Struct
from stdnum import iban, luhn
from stdnum.cn import ric

from stream_app.demo.corpus import (
    SHOWN_REVIEW,
    SHOWN_USER,
    SURGE_ITEM,
    Corpus,
    load,
    messages,
    payload,
)
from stream_app.demo.generate import TASTES, behaviours
from stream_app.schemas import Behaviour, Invalid, Item, Review, decode

HOUR = 3600
KINDS: dict[str, type[Struct]] = {"items": Item, "reviews": Review, "behaviours": Behaviour}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load()


@pytest.fixture(scope="module")
def texts(corpus: Corpus) -> list[str]:
    return [review.text for review in corpus.reviews]


def negative(review: Review) -> bool:
    return review.stars is not None and review.stars <= 2


def test_counts(corpus: Corpus) -> None:
    assert len(corpus.items) == 48
    assert len(corpus.reviews) == 395
    assert len(corpus.behaviours) == 600
    assert len(corpus.malformed) == 10


def test_ids_are_unique_but_for_three_redeliveries(corpus: Corpus) -> None:
    items = {item.item_id for item in corpus.items}
    assert len(items) == len(corpus.items)
    assert len({event.event_id for event in corpus.behaviours}) == len(corpus.behaviours)
    repeated = Counter(review.review_id for review in corpus.reviews)
    assert sorted(repeated.values())[-4:] == [1, 2, 2, 2]
    assert len(set(corpus.reviews)) == len(repeated), "a redelivery has the same content"
    assert {review.item_id for review in corpus.reviews} <= items
    assert {event.item_id for event in corpus.behaviours} <= items
    assert {review.user_id for review in corpus.reviews} == set(TASTES)


def test_half_of_the_reviews_are_chinese(texts: list[str]) -> None:
    def share(text: str) -> float:
        chinese = len(re.findall(r"[\u4e00-\u9fff]", text))
        latin = len(re.findall(r"[A-Za-z]+", re.sub(r"<[^>]*>?|https?://\S+|\S+@\S+", "", text)))
        return chinese / max(chinese + latin, 1)

    chinese = sum(share(text) > 0.5 for text in texts) / len(texts)
    assert 0.45 <= chinese <= 0.55


def test_texts_vary(texts: list[str]) -> None:
    lengths = sorted(map(len, texts))
    assert lengths[0] <= 5 and lengths[-1] >= 400
    assert len(set(texts)) >= len(texts) - 3
    for sign in ("<p>", "&amp;", "https://", "\u200b", "Ｃ", "😡", "?", "？"):
        assert any(sign in text for text in texts), sign


def test_the_rest_of_the_shop_is_calm(corpus: Corpus) -> None:
    rest = [review for review in corpus.reviews if review.item_id != SURGE_ITEM]
    assert 0.15 <= sum(map(negative, rest)) / len(rest) <= 0.22


def test_the_surge_stands_out_and_ends(corpus: Corpus) -> None:
    unique = {review.review_id: review for review in corpus.reviews}
    reviews = [review for review in unique.values() if review.item_id == SURGE_ITEM]
    begin, end = 125 * HOUR, 130 * HOUR
    before = [review for review in reviews if (review.time or 0) < begin]
    during = [review for review in reviews if begin <= (review.time or 0) < end]
    after = [review for review in reviews if (review.time or 0) >= end]
    assert (len(before), len(during), len(after)) == (45, 25, 15)
    assert sum(map(negative, before)) / len(before) < 0.12
    assert all(map(negative, during))
    assert sum(map(negative, after)) == 1


def test_planted_personal_data_passes_its_checks(texts: list[str]) -> None:
    everything = "\n".join(texts)
    identities = re.findall(r"(?<!\d)\d{17}[\dX](?!\d)", everything)
    assert len(identities) == 3 and all(map(ric.is_valid, identities))
    cards = ["5400001122334454", "6217001234567890122", "340000112233449"]
    for card in cards:
        assert card in everything.replace(" ", "") and luhn.is_valid(card)
    assert "GB82 WEST 1234 5698 7654 32" in everything
    assert iban.is_valid("GB82 WEST 1234 5698 7654 32")
    phones = [
        ("13912345678", "CN"),
        ("0571-88001234", "CN"),
        ("186 0000 1234", "CN"),
        ("+86 137-0011-2233", None),
        ("+1 212-555-0123", None),
        ("020 7946 0958", "GB"),
    ]
    for number, region in phones:
        assert number in everything
        assert phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    assert len(re.findall(r"[\w.]+@example\.(?:com|org)", everything)) == 3


def test_the_behaviours_are_the_generators(corpus: Corpus) -> None:
    assert corpus.behaviours == behaviours(corpus.items)
    assert {event.kind for event in corpus.behaviours} == {
        "view", "click", "cart", "purchase", "share", "hide",
    }  # fmt: skip


def test_the_shown_user_buys_camping_gear_and_then_is_let_down(corpus: Corpus) -> None:
    tags = {item.item_id: item.tags for item in corpus.items}
    shown = next(review for review in corpus.reviews if review.review_id == SHOWN_REVIEW)
    events = [event for event in corpus.behaviours if event.user_id == SHOWN_USER]
    bought = [event.item_id for event in events if event.kind == "purchase"]
    assert len(bought) == 5 and all({"camping", "hiking"} & set(tags[item]) for item in bought)
    assert shown.user_id == SHOWN_USER and shown.item_id in bought and negative(shown)
    mine = [review for review in corpus.reviews if review.user_id == SHOWN_USER]
    assert max(mine, key=lambda review: review.time or 0) is shown
    assert all((shown.time or 0) >= (event.time or 0) for event in events)
    camping = {item for item in tags if "camping" in tags[item]}
    known = {*bought, *(review.item_id for review in mine)}
    assert len(camping - known) >= 4, "camping gear is left to recommend"


def test_malformed_messages_are_refused_or_wrong_in_sense(corpus: Corpus) -> None:
    readable = []
    for message in corpus.malformed:
        raw = payload({"topic": message.topic, "key": message.key, "raw": message.raw})
        try:
            decode(raw, KINDS[message.topic])
        except Invalid:
            continue
        readable.append(message.why)
    assert readable == ["empty text", "event time in the year 3000", "the key is not the user"]


def test_messages_come_in_event_time_order_up_to_the_given_time(corpus: Corpus) -> None:
    until = 1_700_000_000.0
    sent = list(messages(until))
    assert len(sent) == 48 + 395 + 600 + 10
    assert [message["topic"] for message in sent[:48]] == ["items"] * 48
    times = [message["value"]["time"] for message in sent if "value" in message]
    assert times == sorted(times) and times[-1] == until
    for message in sent:
        if "value" in message:
            decode(payload(message), KINDS[message["topic"]])
    span = corpus.reviews[-1].time or 0.0
    assert times[0] == until - span
    sixth = [message for message in sent if message["key"] == SHOWN_REVIEW]
    assert until - 2 * HOUR < sixth[0]["value"]["time"] < until
