"""Surge detection beside EARS C2 and CUSUM on simulated streams, at equal false-alarm rates.

    python -m bench.surge [--quick]

Thresholds come from the streams of one seed, all reported figures from another. In every quiet
setting C2 and CUSUM are tuned to the false-alarm rate that `judge` has there; `judge` itself has
one rule for all. All three see the same past: CUSUM is standardised by the share of `judge`'s
memory, a guard of two windows left out, and has one k, the best over all settings. Beside it, as
bounds that no one meets in practice: CUSUM with the best k of each case, picked after the fact,
and CUSUM that is told the true share.
"""

import argparse
import datetime
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from stream_app.alerts.surge import SurgeRule, Window, judge
from stream_app.training.model.evaluation import machine

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RESULTS = Path(__file__).parent / "results"
VOLUMES = (5, 50, 500)
SHARES = (0.05, 0.1, 0.2, 0.3)
JUMPS = (2, 4)
CEILING = 0.95  # of a share after its jump
SHORT, LASTING = 3, 48
HORIZON = {SHORT: 6, LASTING: 48}
"""Windows after the change in which an alarm counts; a later one is a miss, censored there."""
WARM = 96
KS = (0.5, 0.75, 1.0, 1.25, 1.5)
GUARD = 2
ALPHAS = (5e-4, 1e-3, 1.5e-3, 1.75e-3, 2e-3, 2.5e-3)
RULE = SurgeRule()


class Streams(NamedTuple):
    """Reviews and negatives, each [streams, windows]."""

    reviews: Array
    negatives: Array


Statistic = Callable[[Streams, float], Array]
"""Of streams and the true quiet share; an alarm is where it exceeds its threshold."""


def simulate(
    rng: np.random.Generator, size: tuple[int, int], volume: int, share: Array | float
) -> Streams:
    """Poisson reviews, binomial negatives."""
    reviews = rng.poisson(volume, size)
    return Streams(reviews.astype(float), rng.binomial(reviews, share).astype(float))


def begins(streams: Streams, rule: SurgeRule) -> list[list[int]]:
    """Windows at which surges begin, by stream."""
    rows = zip(streams.reviews.astype(int), streams.negatives.astype(int), strict=True)
    found = []
    for reviews, negatives in rows:
        pairs = zip(reviews.tolist(), negatives.tolist(), strict=True)
        windows = [Window(i, n, x) for i, (n, x) in enumerate(pairs)]
        found.append([surge.begin for surge in judge(windows, len(windows), rule)])
    return found


def c2(of_shares: bool) -> Statistic:
    """EARS C2: standard deviations above the mean of 7 windows, two windows before."""

    def statistic(streams: Streams, _: float) -> Array:
        values, least = streams.negatives, 0.2
        if of_shares:
            values = values / np.maximum(streams.reviews, 1)
            least /= max(float(streams.reviews.mean()), 1.0)
        past = sliding_window_view(values, 7, axis=1)[:, : -GUARD - 1]
        deviation = np.maximum(past.std(axis=2, ddof=1), least)
        result = np.zeros_like(values)
        result[:, 7 + GUARD :] = (values[:, 7 + GUARD :] - past.mean(axis=2)) / deviation
        return result

    return statistic


def cusum(k: float, told: bool = False) -> Statistic:
    """One-sided CUSUM of standardised counts; `told` the true share, or estimating it."""

    def statistic(streams: Streams, share: float) -> Array:
        expected: Array | float = share if told else moving_share(streams)
        deviation = np.sqrt(np.maximum(streams.reviews, 1) * expected * (1 - expected))
        steps = (streams.negatives - streams.reviews * expected) / deviation - k
        total = np.zeros(len(steps))
        result = np.zeros_like(steps)
        for window in range(steps.shape[1]):
            total = np.maximum(total + steps[:, window], 0)
            result[:, window] = total
        return result

    return statistic


def moving_share(streams: Streams) -> Array:
    """Negative share before each window: `judge`'s prior and memory, less the guard."""
    reviews, negatives = (
        np.pad(np.cumsum(counts, axis=1), ((0, 0), (RULE.memory, 0))) for counts in streams
    )
    past = slice(RULE.memory - GUARD - 1, -GUARD - 1), slice(0, -RULE.memory)
    seen, bad = (total[:, past[0]] - total[:, past[1]] for total in (reviews, negatives))
    share: Array = (RULE.weight * RULE.share + bad) / (RULE.weight + seen)
    return share


def rate(alarms: Mask) -> float:
    """Alarms per window up to a stream's first, after the warm-up."""
    alarms = alarms[:, WARM:]
    some = alarms.any(axis=1)
    return float(some.sum() / np.where(some, alarms.argmax(axis=1) + 1, alarms.shape[1]).sum())


def threshold(statistic: Array, target: float) -> float:
    """The threshold whose false-alarm rate is nearest to the target, ties to the earlier alarm."""
    low, high = 0.0, float(statistic.max()) + 1
    for _ in range(40):
        middle = (low + high) / 2
        if rate(statistic > middle) > target:
            low = middle
        else:
            high = middle
    over, under = (rate(statistic > h) for h in (low, high))
    return low if over * under <= target**2 else high


def marks(found: list[list[int]], windows: int) -> Mask:
    """Alarms as [streams, windows]."""
    result = np.zeros((len(found), windows), dtype=bool)
    for row, begin in zip(result, found, strict=True):
        row[begin] = True
    return result


def delays(alarms: Mask, horizon: int) -> Array:
    """Windows from the change up to the alarm, 1 = in the first; horizon + 1 where missed."""
    after = alarms[:, WARM : WARM + horizon]
    return np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, horizon + 1.0)


def changed(
    rng: np.random.Generator, streams: int, volume: int, share: float, jump: int, lasts: int
) -> Streams:
    """Streams whose share jumps after the warm-up."""
    shares = np.full(WARM + HORIZON[lasts], share)
    shares[WARM : WARM + lasts] = min(jump * share, CEILING)
    return simulate(rng, (streams, len(shares)), volume, shares)


def tune(rng: np.random.Generator, streams: int) -> dict[str, Any]:
    """Our false-alarm rates by alpha; for each setting the others' thresholds at our rate."""
    statistics = {"c2 counts": c2(False), "c2 shares": c2(True)}
    statistics |= {f"cusum {k}": cusum(k) for k in KS}
    statistics |= {f"told {k}": cusum(k, told=True) for k in KS}
    by_alpha: dict[str, dict[str, float]] = {}
    thresholds: dict[tuple[int, float], dict[str, float]] = {}
    for volume, share in itertools.product(VOLUMES, SHARES):
        quiet = simulate(rng, (streams, WARM + 400), volume, share)
        laxest = max(*ALPHAS, RULE.alpha)
        found = begins(quiet, msgspec.structs.replace(RULE, alpha=laxest))
        # A stricter rule finds nothing in a stream where the laxest found nothing.
        some = [i for i, begin in enumerate(found) if begin]
        for alpha in sorted({*ALPHAS, RULE.alpha}):
            rule = msgspec.structs.replace(RULE, alpha=alpha)
            stricter = begins(Streams(quiet.reviews[some], quiet.negatives[some]), rule)
            found = [[] for _ in range(streams)]
            for i, begin in zip(some, stricter, strict=True):
                found[i] = begin
            measured = rate(marks(found, WARM + 400))
            by_alpha.setdefault(f"{alpha:g}", {})[f"{volume} x {share}"] = round(1000 * measured, 3)
            if alpha == RULE.alpha:
                target = measured
        thresholds[volume, share] = {
            name: threshold(statistic(quiet, share), target)
            for name, statistic in statistics.items()
        }
    return {"statistics": statistics, "by_alpha": by_alpha, "thresholds": thresholds}


def choose(rng: np.random.Generator, streams: int, tuned: dict[str, Any]) -> dict[str, str]:
    """C2's kind of value and CUSUM's k: least delay over all cases, relative to the best's."""
    means: dict[str, list[float]] = {name: [] for name in tuned["statistics"]}
    for volume, share, jump, lasts in itertools.product(VOLUMES, SHARES, JUMPS, HORIZON):
        case = changed(rng, streams, volume, share, jump, lasts)
        for name, statistic in tuned["statistics"].items():
            alarms = statistic(case, share) > tuned["thresholds"][volume, share][name]
            means[name].append(float(delays(alarms, HORIZON[lasts]).mean()))
    chosen = {}
    for kind in ("c2", "cusum", "told"):
        names = [name for name in means if name.startswith(kind)]
        table = np.array([means[name] for name in names])
        chosen[kind] = names[int((table / table.min(axis=0)).mean(axis=1).argmin())]
    return chosen


def report(
    rng: np.random.Generator, streams: int, tuned: dict[str, Any], chosen: dict[str, str]
) -> list[dict[str, Any]]:
    """One row for each case: rates and delays of all methods on fresh streams.

    False alarms count after the warm-up; of `judge` also within it, where it knows little.
    """
    rows = []
    for volume, share in itertools.product(VOLUMES, SHARES):
        limits = tuned["thresholds"][volume, share]
        quiet = simulate(rng, (streams, WARM + 400), volume, share)
        ours = marks(begins(quiet, RULE), WARM + 400)
        false = {"judge": rate(ours), "judge, new subject": float(ours[:, :WARM].mean())}
        for kind, name in chosen.items():
            false[kind] = rate(tuned["statistics"][name](quiet, share) > limits[name])
        for jump, lasts in itertools.product(JUMPS, HORIZON):
            case = changed(rng, streams, volume, share, jump, lasts)
            alarms = {"judge": marks(begins(case, RULE), case.reviews.shape[1])}
            for name, statistic in tuned["statistics"].items():
                alarms[name] = statistic(case, share) > limits[name]
            rows.append(
                {"volume": volume, "share": share, "jump": jump, "lasts": lasts}
                | compare(alarms, chosen, HORIZON[lasts])
                | {"false_alarms_per_1000": {k: round(1000 * v, 3) for k, v in false.items()}}
            )
    return rows


def compare(alarms: dict[str, Mask], chosen: dict[str, str], horizon: int) -> dict[str, Any]:
    """Delays over the streams in which no compared method was already alarmed at the change."""
    compared = {"judge": "judge"} | chosen
    recent = RULE.longest + RULE.cool_down
    calm = ~np.any([alarms[n][:, WARM - recent : WARM].any(axis=1) for n in compared.values()], 0)
    waits = {name: delays(alarm[calm], horizon) for name, alarm in alarms.items()}
    result: dict[str, Any] = {"streams": int(calm.sum()), "censored_at": horizon + 1}
    for kind, name in compared.items():
        wait = waits[name]
        median = float(np.median(wait))
        result[kind] = {
            "detected": round(float((wait <= horizon).mean()), 4),
            "mean_delay": round(float(wait.mean()), 3),
            "median_delay": median if median <= horizon else None,
        }
    names = [f"cusum {k}" for k in KS]
    result["cusum_best_k"] = min(round(float(waits[name].mean()), 3) for name in names)
    better = min((waits[chosen[kind]] for kind in ("c2", "cusum")), key=lambda wait: wait.mean())
    behind = waits["judge"] - better
    result["behind_better"] = round(float(behind.mean()), 3)
    result["standard_error"] = round(float(behind.std() / len(behind) ** 0.5), 3)
    return result


def show(rows: list[dict[str, Any]]) -> None:
    """The table: delays in windows with the part detected."""
    print("reviews share jump lasts | false alarms per 1000: judge, its first windows,", end=" ")
    print("C2, CUSUM, told | delay (detected): judge, C2, CUSUM | CUSUM best k, told |", end=" ")
    print("judge - better of C2 and CUSUM")
    for row in rows:
        cells = [f"{row[m]['mean_delay']:6.2f} ({row[m]['detected']:.2f})" for m in METHODS]
        false = "/".join(f"{value:.2f}" for value in row["false_alarms_per_1000"].values())
        print(
            f"{row['volume']:7} {row['share']:5} {row['jump']:4} {row['lasts']:5} | {false} |",
            *cells,
            f"| {row['cusum_best_k']:6.2f} {row['told']['mean_delay']:6.2f} |",
            f"{row['behind_better']:+.2f} ± {2 * row['standard_error']:.2f}",
        )


METHODS = {"judge": "this project", "c2": "EARS C2", "cusum": "CUSUM"}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Mean delay against the quiet share: a row of panels for each volume."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = list(itertools.product(HORIZON, JUMPS))
    figure, axes = plt.subplots(
        len(VOLUMES), len(cases), figsize=(13, 8), sharex=True, layout="constrained"
    )
    for i, volume in enumerate(VOLUMES):
        for j, (lasts, jump) in enumerate(cases):
            axis = axes[i, j]
            part = [
                r for r in rows if (r["volume"], r["lasts"], r["jump"]) == (volume, lasts, jump)
            ]
            for method, marker in zip(METHODS, "osd", strict=True):
                delay = [row[method]["mean_delay"] for row in part]
                axis.plot(SHARES, delay, marker=marker, label=METHODS[method], alpha=0.8)
            axis.axhline(HORIZON[lasts] + 1, color="grey", linewidth=0.8, linestyle=":")
            axis.set_yscale("log")
            axis.set_ylim(0.9, (HORIZON[lasts] + 1) * 1.15)
            ticks = [t for t in (1, 2, 3, 5, 10, 20, 50) if t <= HORIZON[lasts] + 2]
            axis.set_yticks(ticks, [str(t) for t in ticks])
            axis.minorticks_off()
            axis.set_xticks(SHARES, [f"{share:.0%}" for share in SHARES])
            if i == 0:
                length = f"{SHORT} windows" if lasts == SHORT else "lasting"
                axis.set_title(f"share times {jump}, {length}")
            if j == 0:
                axis.set_ylabel(f"{volume} reviews a window\nmean delay in windows")
    for axis in axes[-1]:
        axis.set_xlabel("negative share before")
    axes[0, 0].legend()
    figure.suptitle(
        "Delay of detection at equal false-alarm rates, at most 1 in 1,000 quiet windows "
        "(dotted: never detected)"
    )
    figure.savefig(path, dpi=110)


def main() -> None:
    """Tune, report, draw."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="few streams; writes nothing")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    seeds = {"tuning": 20_011, "reporting": 20_012}
    rng = np.random.default_rng(seeds["tuning"])
    tuned = tune(rng, 100 if quick else 4000)
    chosen = choose(rng, 100 if quick else 1000, tuned)
    rows = report(np.random.default_rng(seeds["reporting"]), 100 if quick else 3000, tuned, chosen)
    print(f"compared: {', '.join(chosen.values())}; alpha {RULE.alpha:g}")
    show(rows)
    print("highest false-alarm rate by alpha:", end=" ")
    print({alpha: max(by.values()) for alpha, by in tuned["by_alpha"].items()})
    print(f"{time.perf_counter() - start:.0f} s")
    if quick:
        return
    result = {
        "command": "python -m bench.surge",
        "data": "simulated streams: Poisson reviews, binomial negatives",
        "seeds": seeds,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "rule": msgspec.to_builtins(RULE),
        "compared": chosen,
        "tuning_false_alarms_per_1000_by_alpha": tuned["by_alpha"],
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "surge.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(rows, RESULTS / "surge.png")


if __name__ == "__main__":
    main()
