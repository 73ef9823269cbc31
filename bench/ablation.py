"""What text and behaviour are each worth to the recommender.

    python -m bench.ablation --interactions reviews.json.gz --items meta.json.gz

`stream-app recommend evaluate` of the hybrid with both, without the texts (of reviews and items),
without behaviour (stars, and the sources that live on who took what), and the baselines beside it,
under one protocol.
"""

import argparse
import json
from pathlib import Path

from bench.recommenders import evaluated
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "ablation.json"
WAYS: dict[str, list[str]] = {
    "text and behaviour": [],
    "without text": ["--without", "text"],
    "without behaviour": ["--without", "behaviour"],
}


def main() -> None:
    """Run all ways and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", required=True)
    parser.add_argument("--items", required=True)
    parser.add_argument("--protocol", default="prequential")
    parser.add_argument("--epochs", default="10")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    given = [
        "--interactions", options.interactions, "--items", options.items,
        "--protocol", options.protocol, "--epochs", options.epochs,
    ]  # fmt: skip
    table = {
        way: evaluated([*given, *more, "--model", "hybrid"])["results"]["hybrid"]
        for way, more in WAYS.items()
    }
    baselines = ("popularity", "popularity_30d", "itemknn", "ials", "ease", "ease_recent")
    chosen = [part for name in baselines for part in ("--model", name)]
    table |= evaluated([*given, *chosen])["results"]
    for way, figures in table.items():
        print(f"{way:20}", {n: figures[n] for n in ("hr@10", "ndcg@10", "intervals")}, flush=True)
    body = {"machine": machine(), "date": today(), "protocol": options.protocol, "table": table}
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
