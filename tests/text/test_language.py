import pytest

from stream_app.text.language import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("质量很好，物流也快", "zh"),
        ("iPhone 15 Pro 很好用", "zh"),
        ("[PHONE]吧", "zh"),
        ("我喜欢β版本和α版本的手机", "zh"),
        ("The battery life is great", "en"),
        ("I love 包子 so much and more", "en"),
        ("A café in town is good and cheap, really", "en"),
        ("très bon café été", "other"),
        ("とても良い", "other"),
        ("이 제품은 아주 좋아요", "other"),
        ("очень good", "other"),
        ("é", "other"),
        ("[PHONE]", "other"),
        ("😀 5/5", "other"),
        ("", "other"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert language(text) == expected
