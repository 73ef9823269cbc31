"""The made behaviours of the demo: `python -m stream_app.demo.generate` rewrites the file.

A user comes in sessions, looks at items of their taste most of the time, and each look may go on
to a click, the cart, a purchase, a share; what they do not care for is sometimes hidden.
Drawn from `random()` alone, whose sequence for a seed is the same in every Python.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from stream_app.schemas import Behaviour, Item, decode, encode
from stream_app.schemas.records import Kind

T = TypeVar("T")

SEED = 1682
EVENTS = 600
HOUR = 3600
WEEK = 7 * 24 * HOUR

TASTES: dict[str, dict[str, float]] = {
    "u-001": {"electronics": 3, "books": 1},
    "u-002": {"kitchen": 3, "groceries": 2},
    "u-003": {"beauty": 3, "clothes": 2},
    "u-004": {"toys": 2, "home": 2, "groceries": 1},
    "u-005": {"books": 3, "home": 1},
    "u-006": {"outdoor": 2, "electronics": 2},
    "u-007": {"outdoor": 1},
    "u-008": {"clothes": 3, "beauty": 1},
    "u-009": {"electronics": 3},
    "u-010": {"groceries": 2, "kitchen": 2},
    "u-011": {"home": 3, "kitchen": 1},
    "u-012": {"toys": 3, "books": 2},
    "u-013": {"outdoor": 3, "clothes": 1},
    "u-014": {"electronics": 2, "home": 2},
    "u-015": {"beauty": 3, "groceries": 1},
    "u-016": {"books": 3},
    "u-017": {"kitchen": 3, "home": 1},
    "u-018": {"outdoor": 2, "groceries": 1, "kitchen": 1},
    "u-019": {"electronics": 2, "toys": 2},
    "u-020": {"clothes": 2, "outdoor": 2},
    "u-021": {"home": 2, "beauty": 2},
    "u-022": {"electronics": 3, "outdoor": 1},
    "u-023": {"books": 2, "groceries": 2},
    "u-024": {"toys": 3, "clothes": 1},
    "u-025": {"kitchen": 2, "books": 1, "electronics": 1},
    "u-026": {"beauty": 2, "clothes": 2},
    "u-027": {"electronics": 3},
    "u-028": {"outdoor": 3},
    "u-029": {"home": 3, "books": 1},
    "u-030": {"groceries": 3, "kitchen": 1},
    "u-031": {"clothes": 3},
    "u-032": {"electronics": 2, "books": 2},
    "u-033": {"kitchen": 2, "home": 2},
    "u-034": {"toys": 2, "groceries": 2},
    "u-035": {"outdoor": 2, "electronics": 1, "clothes": 1},
    "u-036": {"beauty": 3},
    "u-037": {"electronics": 2, "kitchen": 2},
    "u-038": {"books": 2, "toys": 2},
    "u-039": {"home": 2, "clothes": 2},
    "u-040": {"electronics": 2, "groceries": 1, "outdoor": 1},
}
"""Weight of each category that a user cares for."""

FUNNEL: tuple[tuple[Kind, float], ...] = (
    ("click", 0.7),
    ("cart", 0.45),
    ("purchase", 0.6),
    ("share", 0.2),
)
"""Chance of each step after the one before it."""

KEEN = {"u-007": 4.0, "u-013": 2.0, "u-001": 2.0, "u-028": 1.5}
"""Users who come more often than once for everybody else's once."""

UNBOUGHT = {"u-007": frozenset({"p-405", "p-407", "p-408", "p-409", "p-410", "p-411", "p-412"})}
"""What a user only looks at, so that it is left to be recommended to them."""

STRAY = 0.12
"""Share of looks outside the user's taste."""


def _draw(random: Random, values: Sequence[T], weights: Sequence[float]) -> T:
    mark = random.random() * sum(weights)
    for value, weight in zip(values, weights, strict=True):
        mark -= weight
        if mark < 0:
            return value
    return values[-1]


def _steps(random: Random, keen: bool, buys: bool) -> list[Kind]:
    """What a look at an item leads to, in order."""
    if not keen:
        return ["view", "hide"] if random.random() < 0.35 else ["view"]
    steps: list[Kind] = ["view"]
    for step, chance in FUNNEL:
        if random.random() >= chance or (step == "cart" and not buys):
            break
        steps.append(step)
    return steps


def behaviours(items: Sequence[Item], count: int = EVENTS, seed: int = SEED) -> list[Behaviour]:
    """`count` events in the order of their times, seconds since the start of the demo's week."""
    random = Random(seed)
    users = list(TASTES)
    visits = [KEEN.get(user, 1.0) for user in users]
    drawn: list[tuple[float, str, str, Kind]] = []
    while len(drawn) < count:
        user = _draw(random, users, visits)
        taste = TASTES[user]
        time = 2 * HOUR + random.random() * (WEEK - 6 * HOUR)
        for _ in range(1 + int(random.random() * 3)):
            keen = random.random() >= STRAY
            choice = [item for item in items if (item.category in taste) == keen]
            item = _draw(random, choice, [taste.get(item.category, 1.0) for item in choice])
            buys = item.item_id not in UNBOUGHT.get(user, ())
            for step in _steps(random, keen, buys):
                time += 5 + random.random() * 120
                drawn.append((float(round(time)), user, item.item_id, step))
    drawn = sorted(drawn[:count])
    return [
        Behaviour(user_id=user, item_id=item_id, kind=kind, event_id=f"e-{number:04d}", time=time)
        for number, (time, user, item_id, kind) in enumerate(drawn, 1)
    ]


def main() -> None:
    """Rewrite behaviours.jsonl from items.jsonl."""
    here = Path(__file__).parent
    items = [decode(line, Item) for line in (here / "items.jsonl").read_bytes().splitlines()]
    lines = b"".join(encode(event) + b"\n" for event in behaviours(items))
    (here / "behaviours.jsonl").write_bytes(lines)


if __name__ == "__main__":
    main()
