"""Writes the tiny recommender of the tests, trained on the checkerboard. Needs the extra train.

    python tests/recommend/make_recommender.py

Users of one colour like the items of that colour, in the order of their numbers, and do not like
one of the other.
"""

import shutil
from pathlib import Path

from stream_app.training.networks.sequences import Recipe
from stream_app.training.recommender import training
from stream_app.training.recommender.log import Interaction, Log, log_of
from tests.recommend.checkerboard import catalogue

OUT = Path(__file__).parent / "recommender"


def board(users: int = 40, items: int = 12) -> Log:
    """The log."""
    events = []
    for user in range(users):
        own = [item for item in range(items) if item % 2 == user % 2]
        start = user // 2 % len(own)
        chosen = own[start:] + own[:start]
        for step, item in enumerate([(user + 1) % 2, *chosen[:-1]]):
            stars = 5.0 if item % 2 == user % 2 else 1.0
            time = 1e9 + (step * users + user) * 3600
            events.append(Interaction(time, f"u{user}", f"i{item}", stars))
    return log_of(events)


def main() -> None:
    items = catalogue(order=board().items)
    plan = training.Plan({"review": 1.0}, [90.0], Recipe(width=8, epochs=60, dropout=0.1))
    shutil.rmtree(OUT, ignore_errors=True)
    training.write(OUT, training.learn(board(), items, plan, "checkerboard", ""), "a made log")


if __name__ == "__main__":
    main()
