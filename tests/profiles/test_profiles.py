import re
from functools import partial
from pathlib import Path

import pytest

from stream_app.demo.corpus import load as corpus
from stream_app.profiles import Profile, ProfileError, load, shipped
from stream_app.text.mask import Masker
from tests.spending import within

MINIMAL = """
name = "mine"
[[topics]]
id = "speed"
name = "Speed"
zh = "速度"
descriptions = ["fast", "快"]
[severe]
probability = 0.9
intensity = -0.8
[behaviours]
half_life_days = 7
weights = { view = 1.0 }
"""


@pytest.fixture(params=["finance", "news", "shop", "support"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load(request.param)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def chinese(text: str) -> bool:
    return re.search(r"[\u4e00-\u9fff]", text) is not None


def test_four_profiles_are_shipped() -> None:
    assert shipped() == ["finance", "news", "shop", "support"]
    assert [load(name).name for name in shipped()] == shipped()


def test_topics(profile: Profile) -> None:
    assert 8 <= len(profile.topics) <= 12
    described = [text for topic in profile.topics for text in topic.descriptions]
    assert len(set(described)) == len(described)
    for topic in profile.topics:
        assert chinese(topic.zh) and not chinese(topic.name)
        count = sum(map(chinese, topic.descriptions))
        assert 3 <= count <= 6
        assert 3 <= len(topic.descriptions) - count <= 6


def test_severe_words_are_in_both_languages_and_once(profile: Profile) -> None:
    words = profile.severe.words
    assert len(set(words)) == len(words)
    assert any(map(chinese, words)) and not all(map(chinese, words))
    assert words == [word.casefold() for word in words]


def test_every_kind_of_event_has_a_weight(profile: Profile) -> None:
    weights = profile.behaviours.weights
    assert set(weights) == {"view", "click", "cart", "purchase", "share", "hide", "review"}
    assert weights["hide"] < 0 < weights["view"] < weights["click"] < weights["share"]


def test_what_is_for_adults_or_recalled_is_not_for_the_shop() -> None:
    assert load("shop").policy.unsafe == ["18+", "recalled"]


@pytest.mark.parametrize(
    "piece", ["订单", "order ", "A-", "1", "1 ", "Z", " :#", "order: 1-", "AB12 "]
)
def test_masks_are_linear(profile: Profile, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    for rule in profile.masks:
        pattern = re.compile(rule.pattern, re.ASCII)
        within(1, partial(pattern.findall, text))


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        ("shop", "我的订单号：2026110812345678，麻烦改一下", "我的订单号：[ORDER]，麻烦改一下"),
        ("shop", "My order #A-20931-7734 is late", "My order #[ORDER] is late"),
        ("shop", "My order was #A-20931-7734", "My order was #[ORDER]"),
        ("shop", "paid from GB82 WEST 1234 5698 7654 32 by", "paid from [IBAN] by"),
        ("finance", "DE89370400440532013000 is mine", "[IBAN] is mine"),
        ("shop", "I would order 2 again, in order to save", None),
        ("shop", "单号SF1234567890123", "单号[ORDER]"),
        ("news", "肇事车辆粤B·12345逃逸", "肇事车辆[PLATE]逃逸"),
        ("news", "passport no. E12345678 was found", "passport no. [PASSPORT] was found"),
        ("finance", "资金账号 3300 1234 5678 无法登录", "资金账号 [ACCOUNT] 无法登录"),
        ("finance", "account 0045-667812 is frozen", "account [ACCOUNT] is frozen"),
        ("support", "工单 T20261109 一直没人理", "工单 [TICKET] 一直没人理"),
        ("support", "Serial number: XK29-99A7-Q1", "Serial number: [SERIAL]"),
        ("support", "In any case 3 people were waiting", None),
    ],
)
def test_masks(name: str, text: str, masked: str | None) -> None:
    assert Masker(load(name).masks).mask(text).text == (masked or text)


def test_the_shops_safety_words_are_in_the_demo() -> None:
    words = load("shop").severe.words
    found = {
        review.review_id: review.stars
        for review in corpus().reviews
        if any(word in review.text.casefold() for word in words)
    }
    assert len(found) >= 15
    calm = [review_id for review_id, stars in found.items() if stars is None or stars > 2]
    assert not calm


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    mine = load(written(tmp_path, MINIMAL))
    assert mine.surge.window_seconds == 3600
    assert mine.policy.seen == ["purchase", "hide", "review"]
    assert mine.policy.unsafe == []
    assert mine.masks == []


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ("[policy]\ndiversty = 0.2", "diversty"),
        ("[colour]\nred = 1", "colour"),
        (
            "[[topics]]\nid = 'x'\nname = 'X'\nzh = '某'\ndescriptions = ['a', 'b']\nsize = 1",
            "size",
        ),
        ("[[topics]]\nid = 'speed'\nname = 'X'\nzh = '某'\ndescriptions = ['a', 'b']", "speed"),
        ("[policy]\nper_seller = 0", "per_seller"),
        ("[policy]\nseen = ['sold']", "sold"),
        ("[policy]\nunsafe = '18+'", "unsafe"),
        ("[surge]\nwindow_seconds = -1", "window_seconds"),
        ("[surge]\nwindow_seconds = 0.1", "window_seconds"),
        ("[surge]\nwindow_seconds = inf", "window_seconds"),
        ("[surge]\nlateness_seconds = inf", "lateness_seconds"),
        ("[[masks]]\nkind = 'ORDER'\npattern = '('", "ORDER"),
        ("[[masks]]\nkind = 'ORDER'\npattern = 'x'\nflags = 'i'", "flags"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, extra: str, field: str) -> None:
    path = written(tmp_path, f"{MINIMAL}\n{extra}\n")
    with pytest.raises(ProfileError) as caught:
        load(path)
    assert path in str(caught.value) and field in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("probability = 0.9", "probability = 9", "probability"),
        ("view = 1.0", "glance = 1.0", "glance"),
        ("view = 1.0", "hide = 0.5", "weights: hide is 0.5, it must be 0 or less"),
        ("view = 1.0", "view = -0.5", "weights: view is -0.5, it must be 0 or more"),
        ("view = 1.0", "review = -1", "weights: review is -1, it must be 0 or more"),
        ("view = 1.0", "view = nan", "weights: view is nan"),
        ("view = 1.0", "purchase = inf", "weights: purchase is inf"),
        ("view = 1.0", "hide = -inf", "weights: hide is -inf"),
        ("half_life_days = 7", "half_life_days = 0", "half_life_days"),
        ("half_life_days = 7", "half_life_days = inf", "half_life_days"),
        ('name = "mine"\n', "", "name"),
        ("[severe]", "[severe", "line"),
    ],
)
def test_what_is_wrong_in_a_given_field_is_named(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    path = written(tmp_path, MINIMAL.replace(old, new, 1))
    with pytest.raises(ProfileError) as caught:
        load(path)
    (line,) = str(caught.value).splitlines()
    assert path in line and field in line


@pytest.mark.parametrize("name", ["nowhere", "../shop", "", "/"])
def test_no_such_profile(name: str) -> None:
    with pytest.raises(ProfileError):
        load(name)
