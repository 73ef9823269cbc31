"""Whatever is killed, frozen or cut off: every input in one place, and state, trends and alerts
equal to an uninterrupted run's, after every single strike.

`make faults` runs many (`--strikes 120`), `make test` one of each kind that matters most.
"""

import datetime
import json
import statistics
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from stream_app.broker.kafka import KafkaCluster
from stream_app.training.model.evaluation import machine
from tests.faults.network import Network
from tests.faults.scene import Outcome, Scene
from tests.faults.strikes import FAILING, possible
from tests.kafka.workers import settings_for

GENTLE = (
    "foreign worker",
    "bundle swapped",
    "bad bundle promoted",
    "model slow",
    "model failing",
)
"""No kill, freeze or cut: three times each, whatever `--strikes` says."""
SHORT = ("worker killed, state truncated", "worker frozen", "worker cut off", "broker killed")


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
async def test_nothing_is_lost(
    cluster: KafkaCluster, network: Network | None, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    seed, count = pytestconfig.getoption("--seed"), pytestconfig.getoption("--strikes")
    settings = msgspec.structs.replace(settings_for(cluster, "faults"), replication=3)
    scene = Scene(cluster, settings, tmp_path, seed, network)
    await scene.start()
    outcomes: list[Outcome] = []
    try:
        strikes = possible(scene)
        names = [name for name in SHORT if name in strikes]
        if count:
            only = pytestconfig.getoption("--only")
            kinds = [name for name in strikes if (only or "") in name]
            harsh = [name for name in kinds if name not in GENTLE]
            names = [harsh[number % len(harsh)] for number in range(count)] if harsh else []
            names += [name for name in kinds if name in GENTLE] * 3
            scene.draw.shuffle(names)
        for name in names:
            outcome = await scene.round(name, strikes[name], failing=name == FAILING)
            outcomes.append(outcome)
            print(
                f"{len(outcomes):>4} {name:<32} {outcome.inputs:>4} inputs, answered again after "
                f"{outcome.recovery:5.1f} s, {outcome.repeated:>3} repeated"
                f"{'' if not outcome.wrong else '  WRONG'}",
                flush=True,
            )
            assert outcome.wrong == [], (name, outcome.wrong[:20])
    finally:
        codes = await scene.stop()
        if results := pytestconfig.getoption("--results"):
            Path(results).write_text(json.dumps(_summary(scene, outcomes, seed), indent=1) + "\n")
    assert codes == [0, 0]
    assert len(outcomes) == len(names)


def _summary(scene: Scene, outcomes: list[Outcome], seed: int) -> dict[str, object]:
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.strike].append(outcome)
    harsh = sum(outcome.strike not in GENTLE for outcome in outcomes)
    return {
        "command": f"make faults SEED={seed} STRIKES={harsh}",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "brokers": "Apache Kafka, three nodes on the same machine",
        "session_timeout_s": scene.settings.session_timeout,
        "kills_freezes_and_cuts": harsh,
        "strikes": len(outcomes),
        "inputs": sum(outcome.inputs for outcome in outcomes),
        "wrong": sum(len(outcome.wrong) for outcome in outcomes),
        "refused_then_answered": len(scene.healed),
        "repeated_outputs": scene.repeated(),
        "exits": scene.exits(),
        "recovery_s": {
            name: {
                "strikes": len(found),
                "median": round(statistics.median(one.recovery for one in found), 1),
                "worst": round(max(one.recovery for one in found), 1),
                "analyses_repeated": sum(one.repeated for one in found),
            }
            for name, found in sorted(kinds.items())
        },
    }
