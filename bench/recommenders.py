"""The hybrid beside its baselines under two protocols, kept with machine and date.

    python -m bench.recommenders --interactions ratings.csv --items movies.csv

`stream-app recommend evaluate`, prequential (`--daily`: the baselines retrained with each day) and
leave-last-out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from stream_app.commands.main import main as cli
from stream_app.training.model.evaluation import machine, today

RESULTS = Path(__file__).parent / "results" / "recommenders.json"
RUNS = {
    "prequential": ["--protocol", "prequential"],
    "prequential, baselines retrained daily": ["--protocol", "prequential", "--daily"],
    "leave-last-out": ["--protocol", "leave-last-out"],
}


def evaluated(given: list[str]) -> dict[str, Any]:
    """The object that an evaluation prints last."""
    done = CliRunner().invoke(cli, ["recommend", "evaluate", *given, "--json"])
    if done.exit_code:
        raise SystemExit(done.output)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run all and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", required=True)
    parser.add_argument("--items", required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    given = ["--interactions", options.interactions, "--items", options.items]
    body: dict[str, Any] = {"machine": machine(), "date": today()}
    for name, more in RUNS.items():
        body[name] = evaluated([*given, *more])
        for model, figures in body[name]["results"].items():
            print(f"{name:40}{model:16}{figures['hr@10']:.4f} {figures['ndcg@10']:.4f}", flush=True)
    options.results.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
