"""What a load needs and costs, from what was measured: `python -m bench.cost 1000 --price 0.04`.

Reads the rates of `bench.pipeline` and the sizes of `bench.scale`; the price of a core-hour is the
reader's own. docs/scaling.md shows the arithmetic.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
FEWEST = 2
"""Workers, so that one may fail."""
GROUP = 5_000
"""Most reviews a second of one group: what every worker reads whole grows with their square."""
BROADCAST = ("trends", "unmatched")
"""Topics that every worker reads whole and that grow with the reviews."""


class Need(NamedTuple):
    """What a rate of reviews asks for."""

    groups: int
    workers: int
    cores: int
    partitions: int
    """Of each group's topics: twice its workers, so that there is room."""
    written: float
    """Bytes a second into the brokers, before replication."""
    broadcast: float
    """Bytes a second out of the brokers for what every worker reads whole."""
    cost_per_million: float


def need(
    pipeline: dict[str, Any], scale: dict[str, Any], rate: float, price: float, use: float
) -> Need:
    """`rate` reviews a second on workers busy for the share `use`; `price` of a core-hour."""
    cores = pipeline["machine"]["cores"]
    one = pipeline["medians"]["all"]["reviews_per_s"] * use
    groups = math.ceil(rate / GROUP)
    each = max(FEWEST, math.ceil(rate / groups / one))
    workers = groups * each
    bytes_of = {row["topic"]: row["bytes"] * row["of_a_review"] for row in scale["parts"]["sizes"]}
    return Need(
        groups=groups,
        workers=workers,
        cores=workers * cores,
        partitions=2 * each,
        written=rate * sum(bytes_of.values()),
        broadcast=rate * each * sum(bytes_of[topic] for topic in BROADCAST),
        cost_per_million=price * workers * cores * 1e6 / (3600 * rate),
    )


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("rates", nargs="+", type=float, help="reviews a second")
    parser.add_argument("--price", type=float, default=1.0, help="of a core-hour")
    parser.add_argument("--use", type=float, default=0.6, help="share of the time a worker is busy")
    given = parser.parse_args()
    pipeline, scale = (
        json.loads((RESULTS / f"{name}.json").read_text()) for name in ("pipeline", "scale")
    )
    for rate in given.rates:
        found = need(pipeline, scale, rate, given.price, given.use)
        print(
            f"{rate:g} reviews/s: {found.groups} groups, {found.workers} workers, "
            f"{found.cores} cores, {found.partitions} partitions a group; "
            f"{found.written / 1e6:,.1f} MB/s written, "
            f"{found.broadcast / 1e6:,.1f} MB/s of broadcasts read; "
            f"{found.cost_per_million:.3g} a million reviews"
        )


if __name__ == "__main__":
    main()
