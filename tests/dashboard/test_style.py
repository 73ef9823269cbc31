"""Contrast of the colours, charts included, which a browser's checker does not look into."""

import re
from pathlib import Path

import pytest

import stream_app

STYLE = (Path(stream_app.__file__).parent / "dashboard/style.css").read_text(encoding="utf-8")
ON_CARD = ("text", "soft", "accent", "negative", "positive")
CHIPS = (
    ("accent", "accent-ground"),
    ("soft", "neutral-ground"),
    ("negative", "negative-ground"),
    ("positive", "positive-ground"),
)
GRAPHICS = ("negative", "neutral", "positive", "line-1", "line-2", "accent")


def colours(theme: str) -> dict[str, str]:
    """Variables of a theme; the dark one changes some of the light one's."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r"(?:^:root|^body\.body--dark) \{(.*?)\}", STYLE, re.S | re.M)[:2]
    )
    return light if theme == "light" else light | dark


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_and_graphics_are_seen(theme: str) -> None:
    named = colours(theme)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    pairs = [(name, "card", 4.5) for name in ON_CARD]
    pairs += [(name, "ground", 4.5) for name in ("text", "soft", "accent")]
    pairs += [(*chip, 4.5) for chip in CHIPS]
    pairs += [(name, "card", 3.0) for name in GRAPHICS]
    low = [(a, b) for a, b, least in pairs if contrast(named[a], named[b]) < least]
    assert low == []
