"""The table as bars: one panel a figure, one bar a contestant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

OURS, OTHERS, LIGHT, LOST = "#1f6f8b", "#8d99a3", "#d5dade", "#c0392b"
Row = dict[str, Any]


def draw_picture(result: dict[str, Any], path: Path) -> None:
    """Who took no part is named with the reason."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows: list[Row] = [row | row.get("after_kill", {}) for row in result["rows"][::-1]]
    figure, (speed, cpu, wait, kill) = pyplot.subplots(
        1, 4, figsize=(15, 0.5 * len(rows) + 1.4), sharey=True, layout="constrained"
    )
    names = [row["name"] for row in rows]
    colours = [OURS if name.startswith("stream-app") else OTHERS for name in names]

    def bars(axis: Any, key: str, label: Callable[[Row], str], **style: Any) -> None:
        widths = [row.get(key, 0) for row in rows]
        drawn = axis.barh(names, widths, **{"color": colours} | style)
        texts = [label(row) if key in row else "" for row in rows]
        axis.bar_label(drawn, texts, padding=3, fontsize=9)
        axis.margins(x=0.3)
        axis.spines[["top", "right"]].set_visible(False)

    bars(speed, "reviews_per_s", _speed)
    speed.set_title("reviews a second (of the model alone)", fontsize=10)
    bars(cpu, "beyond_model_us", lambda row: f"{row['beyond_model_us']:.0f}")
    cpu.set_title("CPU beyond the model's, µs a review", fontsize=10)
    bars(wait, "p99_ms", lambda row: f"{row['p50_ms']:.0f}, {row['p99_ms']:.0f}", color=LIGHT)
    bars(wait, "p50_ms", lambda row: "")
    wait.set_xscale("log")
    wait.set_xlim(left=10)
    rate = result["latency_at_reviews_per_s"]
    wait.set_title(f"latency at {rate:g} reviews/s, ms: p50, p99", fontsize=10)
    bars(kill, "repeated", lambda row: f"{row['repeated']}")
    kill.set_title("repeated after one kill", fontsize=10)
    for place, row in enumerate(rows):
        if row.get("lost"):
            kill.annotate(
                f"lost {row['lost']}", (row["repeated"], place), (40, 0),
                textcoords="offset points", va="center", color=LOST, fontsize=9,
            )  # fmt: skip
        if "absent" in row:
            speed.text(0, place, f" {row['absent']}", va="center", fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _speed(row: Row) -> str:
    share = f" ({row['percent_of_model']:.0f}%)" if "percent_of_model" in row else ""
    return f"{row['reviews_per_s']:.0f}{share}"
