"""Options of the charts. Colours are CSS variables, so that a theme needs no new chart: they are
drawn as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from stream_app.dashboard.sentiment import ORDER, Slot
from stream_app.dashboard.texts import Words

Options = dict[str, Any]

# Named, as in style.css, since ECharts must measure it.
FONT = 'Roboto, "PingFang SC", "Noto Sans CJK SC", "Noto Sans SC", "Microsoft YaHei", sans-serif'
TEXT = {"color": "var(--soft)", "fontFamily": FONT, "fontSize": 12}
TOOLTIP = {
    "trigger": "axis",
    "backgroundColor": "var(--card)",
    "borderColor": "var(--line)",
    "textStyle": {"color": "var(--text)", "fontFamily": FONT, "fontSize": 13},
    "confine": True,
}
# Not by colour alone: complaints are hatched.
HATCH = {
    "symbol": "rect", "symbolSize": 1, "rotation": 0.785, "color": "var(--hatch)",
    "dashArrayX": [1, 0], "dashArrayY": [2, 4],
}  # fmt: skip


def sentiment_over_time(slots: Sequence[Slot], subject: str, words: Words) -> Options:
    """Reviews by sentiment, stacked, over event time."""
    totals = {sentiment: sum(getattr(slot, sentiment) for slot in slots) for sentiment in ORDER}
    return _frame(words("chart_sentiment", subject=subject, **totals)) | {
        "legend": _legend(),
        "xAxis": _times(),
        "yAxis": _counts(),
        "series": [
            {
                "name": words.sentiment(sentiment),
                "type": "bar",
                "stack": "all",
                "barMaxWidth": 22,
                "itemStyle": {
                    "color": f"var(--{sentiment})",
                    **({"decal": HATCH} if sentiment == "negative" else {}),
                },
                "emphasis": {"disabled": True},
                "data": [[slot.start * 1000, getattr(slot, sentiment)] for slot in slots],
            }
            for sentiment in ORDER
        ],
    }


def rates(lines: dict[str, list[tuple[int, float]]], words: Words) -> Options:
    """Messages a second over arrival time."""
    styles = ("solid", "dashed")
    return _frame(words("chart_rates")) | {
        "legend": _legend(),
        "xAxis": _times(),
        "yAxis": _counts(),
        "series": [
            {
                "name": words(f"rate_{name}"),
                "type": "line",
                "showSymbol": False,
                "lineStyle": {"width": 2, "type": style, "color": f"var(--line-{number})"},
                "itemStyle": {"color": f"var(--line-{number})"},
                "emphasis": {"disabled": True},
                "data": [[begin * 1000, rate] for begin, rate in points],
            }
            for number, ((name, points), style) in enumerate(
                zip(lines.items(), styles, strict=True), 1
            )
        ],
    }


def interest(tastes: Mapping[str, Sequence[float]], words: Words) -> Options:
    """Praise to the right, complaint to the left, by topic."""
    names = list(tastes)
    sides = (("positive", "praise", 0, 1), ("negative", "complaint", 1, -1))
    return _frame(words("interest_chart")) | {
        "grid": {"left": 8, "right": 16, "top": 30, "bottom": 4, "containLabel": True},
        "legend": _legend(),
        "xAxis": _counts() | {"axisLabel": {"show": False}},
        "yAxis": {
            "type": "category", "data": names, "axisLabel": TEXT | {"color": "var(--text)"},
            "axisLine": {"show": False}, "axisTick": {"show": False}, "inverse": True,
        },
        "series": [
            {
                "name": words(name),
                "type": "bar",
                "stack": "all",
                "barMaxWidth": 14,
                "itemStyle": {
                    "color": f"var(--{sentiment})",
                    **({"decal": HATCH} if sentiment == "negative" else {}),
                },
                "emphasis": {"disabled": True},
                "data": [round(sign * tastes[topic][column], 2) for topic in names],
            }
            for sentiment, name, column, sign in sides
        ],
    }  # fmt: skip


def _frame(description: str) -> Options:
    return {
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True, "label": {"description": description}},
        "grid": {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True},
        "tooltip": TOOLTIP,
    }


def _legend() -> Options:
    return {
        "top": 0, "left": 0, "itemWidth": 14, "itemHeight": 10, "itemGap": 16, "textStyle": TEXT,
        "inactiveColor": "var(--line)",
    }  # fmt: skip


def _times() -> Options:
    return {
        "type": "time",
        "axisLabel": TEXT | {"hideOverlap": True},
        "axisLine": {"lineStyle": {"color": "var(--line)"}},
        "axisTick": {"show": False},
        "splitLine": {"show": False},
    }


def _counts() -> Options:
    return {
        "type": "value",
        "minInterval": 1,
        "axisLabel": TEXT,
        "splitLine": {"lineStyle": {"color": "var(--line)"}},
        "splitNumber": 3,
    }
