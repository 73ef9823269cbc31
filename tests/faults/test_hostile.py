"""A short run of the hostile messages; `python -m bench.hostile` is the long one."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.hostile import Run
from stream_app import profiles, schemas
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import default_bundle
from stream_app.inference.bundle import load as load_bundle
from stream_app.inference.runtime import Model
from stream_app.pipeline import assemble
from stream_app.schemas import Behaviour, Invalid, Item, Review
from stream_app.settings import load
from stream_app.text.clean import clean
from stream_app.text.mask import Masker
from tests.spending import within

SECONDS = 0.25
"""Most that one message may take alone."""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    inference = Inference(Model(load_bundle(default_bundle())))
    yield Run(assemble(load(), profiles.load("shop"), inference), seed=11)
    inference.close()


@pytest.mark.slow
def test_every_hostile_message_is_in_one_place_and_none_is_slow(run: Run) -> None:
    for _ in range(16):
        run.batch()
    account = run.account
    assert sum(n for name, n in account.items() if name.endswith(" in")) == 16 * 256
    for topic in ("reviews", "behaviours", "items"):
        # Both ways are taken, else the test would prove nothing.
        assert 0 < account[f"{topic} refused"] < account[f"{topic} in"]
    slowest = run.slowest
    assert slowest["read"].count >= 16 * 256
    assert slowest["tokenise"].count > 100 < slowest["text"].count
    for part in slowest.values():
        assert part.seconds > 0
        within(SECONDS, part.again, part.of)


def test_a_seed_tells_all() -> None:
    from bench.attacks import Attacks

    one, other = Attacks(3), Attacks(3)
    assert [one.record() for _ in range(300)] == [other.record() for _ in range(300)]


KINDS: list[type[Any]] = [Review, Behaviour, Item]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_bytes_decode_or_say_why(data: bytes, kind: type[Any]) -> None:
    try:
        schemas.decode(data, kind)
    except Invalid as error:
        assert 0 < len(str(error)) < 500


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["review_id", "user_id", "item_id", "text", "time", "kind", "title"]), JSON
    ),
    st.sampled_from(KINDS),
)
def test_json_decodes_or_says_why_without_repeating_it(
    value: dict[str, Any], kind: type[Any]
) -> None:
    import json

    try:
        schemas.decode(json.dumps(value).encode("utf-8", "surrogatepass"), kind)
    except Invalid as error:
        for text in (v for v in value.values() if isinstance(v, str) and len(v) > 8):
            assert text not in str(error)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.integers(1, 30))
def test_no_text_breaks_cleaning_or_masking(text: str, times: int) -> None:
    masker = Masker(profiles.load("shop").masks)
    cleaned = clean(text * times)
    assert clean(cleaned) == cleaned
    masked = masker.mask(cleaned).text
    assert masker.mask(masked).text == masked
