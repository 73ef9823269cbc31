"""Each invariant broken on purpose, in a copy: the named test must turn red.

python -m tests.faults.mutations [--only WORD] [--results FILE]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "mutations.json"


class Mutation(NamedTuple):
    """One thing done wrong."""

    invariant: int
    """Its number in the list of promises: 1 nothing lost, 2 nothing twice, 3 acks last and in
    order, one writer, 4 masking, 5 bounds, 6 a free event loop, 7 event time, 8 any order,
    9 promotions."""
    what: str
    file: str
    old: str
    new: str
    test: str
    """Arguments of pytest."""


MUTATIONS = (
    Mutation(
        1, "what cannot be read is dropped", "stream_app/processors/analyse.py",
        "                records.append(dead_letter(message, error, STAGE))\n",
        "                del error\n",
        "tests/processors/test_dead_letters.py",
    ),
    Mutation(
        1, "a failing batch leaves the worker running", "stream_app/delivery/shell.py",
        "        ending = drain_and_exit(self.name, error, self._outbox)\n"
        "        self._failing = asyncio.create_task(ending)\n",
        "        log.error(error)\n",
        "tests/delivery/test_shell.py",
    ),
    Mutation(
        1, "what waits is kept when partitions move", "stream_app/delivery/upstream/transport.py",
        "            inbox.clear()\n", "            pass\n",
        "tests/delivery/upstream/test_transport.py",
    ),
    Mutation(
        1, "what was fetched before partitions moved is handed on",
        "stream_app/delivery/upstream/transport.py",
        "self._fetched_at != self._moves:\n            return\n        restored",
        "False:\n            return\n        restored",
        "tests/delivery/upstream/test_transport.py",
    ),
    Mutation(
        1, "half of a RocksDB folder passes for all of it", "stream_app/delivery/upstream/store.py",
        "        if found - known:\n", "        if False:\n",
        "tests/delivery/upstream/test_store.py",
    ),
    Mutation(
        2, "a redelivered event counts again", "stream_app/interests/update.py",
        "    if offset <= interest.applied.get(source, -1):\n        return False\n", "",
        "tests/interests/test_update.py",
    ),
    Mutation(
        2, "a redelivered signal counts again", "stream_app/subjects/record.py",
        "        if entry.offset <= subject.applied.get(source, -1):\n",
        "        if False:\n",
        "tests/subjects/test_record.py",
    ),
    Mutation(
        2, "an id is everybody's", "stream_app/messages/identity.py",
        'return hash64(f"{kind}:{len(user_id)}:{user_id}:{event_id}")', "return hash64(event_id)",
        "tests/processors/test_identity.py",
    ),
    Mutation(
        2, "what was removed comes back with what comes again",
        "stream_app/processors/catalogue.py",
        "message.offset > partition.applied", "message.offset >= 0",
        "tests/processors/test_catalogue.py",
    ),
    Mutation(
        2, "an alert has another id each time", "stream_app/alerts/severe.py",
        'id=f"severe:{subject}:{event:016x}",', 'id=f"severe:{subject}:{id(analysis)}",',
        "tests/faults/test_faults.py --strikes 4 --only worker",
    ),
    Mutation(
        3, "acked before it is delivered", "stream_app/delivery/shell.py",
        "                await self._shell.deliver(result)\n",
        "                self._shell.inbox.ack(batch)\n"
        "                await self._shell.deliver(result)\n",
        "tests/delivery/test_shell.py",
    ),
    Mutation(
        3, "acked in any order", "stream_app/delivery/shell.py",
        "            await previous\n", "            pass\n",
        "tests/delivery/test_shell.py",
    ),
    Mutation(
        3, "the changelog is left out", "stream_app/delivery/table.py",
        "        offsets = await self._outbox.append(entries)\n",
        "        offsets = list(range(len(entries)))\n",
        "tests/kafka/test_ownership.py",
    ),
    Mutation(
        3, "a frozen worker goes on writing", "stream_app/delivery/table.py",
        "            if token(record.headers) > self._claims[record.partition]:\n",
        "            if False:\n",
        "tests/kafka/test_ownership.py",
    ),
    Mutation(
        3, "a partition that comes back is taken for claimed",
        "stream_app/delivery/upstream/store.py",
        "        self.unclaimed.add(partition)\n", "",
        "tests/kafka/test_ownership.py",
    ),
    Mutation(
        3, "recovery takes a frozen worker's late writes", "stream_app/delivery/upstream/store.py",
        "            if its < highest:\n", "            if False:\n",
        "tests/delivery/upstream/test_store.py",
    ),
    Mutation(
        3, "what a frozen worker sent too late stays", "stream_app/delivery/upstream/store.py",
        "                    overwritten.add(key)\n", "                    pass\n",
        "tests/kafka/test_ownership.py",
    ),
    Mutation(
        3, "a worker ends between outputs and state", "stream_app/delivery/ending.py",
        "    await outbox.drain(END_SECONDS)\n", "",
        "tests/delivery/test_shell.py",
    ),
    Mutation(
        3, "a record that cannot be used ends the worker", "stream_app/processors/kept.py",
        "        except Unusable as error:\n", "        except ZeroDivisionError as error:\n",
        "tests/processors/test_unusable_state.py",
    ),
    Mutation(
        3, "a vector of another length is used", "stream_app/interests/record.py",
        "    if (found := len(interest.vector)) != dimensions:\n",
        "    if (found := len(interest.vector)) < 0:\n",
        "tests/processors/test_unusable_state.py",
    ),
    Mutation(
        3, "a worker of any kind joins the group", "stream_app/delivery/contract.py",
        "        if wrong := differences(group, mine):\n",
        "        if wrong := differences(mine, mine):\n",
        "tests/kafka/test_contract.py",
    ),
    Mutation(
        3, "of claims the last holds", "stream_app/delivery/contract.py",
        "    return list(claims.values())\n", "    return list(claims.values())[::-1]\n",
        "tests/kafka/test_contract.py",
    ),
    Mutation(
        4, "a worker with other masks fits", "stream_app/agents/contract.py",
        '        "masks": profile.own_masks,\n', "",
        "tests/delivery/test_contract.py",
    ),
    Mutation(
        4, "nothing is masked", "stream_app/text/prepare.py",
        "    text, counts = masker.mask(clean(raw))\n", "    text, counts = clean(raw), {}\n",
        "tests/processors/test_dead_letters.py",
    ),
    Mutation(
        5, "a user's events are kept for ever", "stream_app/interests/update.py",
        "    del interest.events[:-EVENTS]\n", "",
        "tests/interests/test_update.py",
    ),
    Mutation(
        5, "a subject's windows are kept for ever", "stream_app/subjects/record.py",
        "        del subject.windows[index]\n", "        pass\n",
        "tests/subjects/test_record.py",
    ),
    Mutation(
        6, "the model runs on the event loop", "stream_app/delivery/shell.py",
        "                result = await loop.run_in_executor(\n"
        "                    self._shell._pool, self._shell.process, messages\n"
        "                )\n",
        "                result = self._shell.process(messages)\n",
        "tests/delivery/test_shell.py",
    ),
    Mutation(
        7, "arrival time instead of event time", "stream_app/processors/validity.py",
        "    time = received if stated is None else stated\n", "    time = received\n",
        "tests/processors/test_validity.py",
    ),
    Mutation(
        7, "an event is late as soon as its window ends", "stream_app/processors/watch.py",
        "newest - math.ceil(self._windows.lateness / self._windows.seconds)", "newest",
        "tests/processors/test_lateness.py",
    ),
    Mutation(
        8, "the ring keeps what arrived last", "stream_app/interests/update.py",
        "    insort(\n        interest.events,\n", "    list.append(\n        interest.events,\n",
        "tests/interests/test_update.py",
    ),
    Mutation(
        8, "late events are not decayed", "stream_app/interests/update.py",
        "        return float(0.5 ** ((interest.clock - time) / rules.half_life))\n",
        "        return 1.0\n",
        "tests/interests/test_update.py",
    ),
    Mutation(
        9, "any folder is loaded", "stream_app/inference/promotion.py",
        "        if above not in (str(root), str(root.resolve())):\n",
        "        root = Path(above)\n        if False:\n",
        "tests/agents/test_models.py -k path",
    ),
    Mutation(
        9, "a name may be a path", "stream_app/inference/promotion.py",
        "    if not NAME.fullmatch(name):\n", "    if False:\n",
        "tests/agents/test_models.py -k path",
    ),
    Mutation(
        9, "a link leads out of the root", "stream_app/inference/promotion.py",
        "    if found.is_symlink():\n", "    if False:\n",
        "tests/agents/test_models.py -k link",
    ),
    Mutation(
        9, "a signature by anybody does", "stream_app/inference/signature.py",
        "        except minisign.VerifyError:\n            continue\n",
        "        except minisign.VerifyError:\n            return\n",
        "tests/agents/test_models.py -k stranger",
    ),
    Mutation(
        9, "without a key every bundle is taken", "stream_app/agents/models.py",
        "        if self._root is None or not self._keys:\n",
        "        if self._root is None:\n",
        "tests/agents/test_models.py -k without",
    ),
    Mutation(
        9, "a bundle is loaded untried", "stream_app/agents/models.py",
        "            if not tried:\n", "            if False:\n",
        "tests/agents/test_models.py -k answers",
    ),
    Mutation(
        9, "a trial has no end", "stream_app/inference/trial.py",
        "timeout=limits.seconds)", "timeout=60)",
        "tests/inference/test_trial.py -k endless",
    ),
    Mutation(
        9, "a trial takes all memory", "stream_app/inference/trial.py",
        "        resource.setrlimit(resource.RLIMIT_AS, (most, most))\n", "",
        "tests/inference/test_trial.py -k limits",
    ),
    Mutation(
        9, "ends during a load are forgotten", "stream_app/agents/models.py",
        "        if (ends := self._attempts.ends(this)) >= ENDS:\n",
        "        if (ends := 0) >= ENDS:\n",
        "tests/agents/test_models.py -k two_ends",
    ),
    Mutation(
        9, "a load leaves no trace", "stream_app/agents/models.py",
        "        self._attempts.begun(this)\n", "",
        "tests/agents/test_models.py -k trace",
    ),
    Mutation(
        9, "no last good bundle", "stream_app/agents/models.py",
        "                self._refuse(error)\n                self._fall_back()\n",
        "                self._refuse(error)\n",
        "tests/agents/test_models.py -k last_good",
    ),
    Mutation(
        9, "every key counts", "stream_app/agents/models.py",
        "        if key != KEY:\n", "        if False:\n",
        "tests/agents/test_models.py -k key",
    ),
    Mutation(
        9, "a version is the graph's", "stream_app/inference/bundle.py",
        'return f"{self.config.name}-{self.sha256[:8]}"',
        'return f"{self.config.name}-{digest(self.graph)[:8]}"',
        "tests/inference/test_bundle.py -k version",
    ),
    Mutation(
        9, "fields forge lines of the log", "stream_app/inference/promotion.py",
        'c if c.isprintable() else c.encode("unicode_escape").decode() for c in text',
        "c for c in text",
        "tests/agents/test_models.py -k forge",
    ),
    Mutation(
        9, "messages forge lines of the log", "stream_app/telemetry/logs.py",
        "        if not record.message.isprintable():\n", "        if False:\n",
        "tests/telemetry/test_logs.py",
    ),
)  # fmt: skip


def tracked() -> list[str]:
    """The project's files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name]


def mutated(mutation: Mutation) -> str:
    """The file with the mutation; raises ValueError where the text to change is not there once."""
    source = (ROOT / mutation.file).read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        raise ValueError(f"{mutation.what}: {mutation.file} has changed")
    return source.replace(mutation.old, mutation.new)


def caught(mutation: Mutation, folder: Path) -> dict[str, Any]:
    """Run the test on a copy with the mutation; what failed, empty if nothing did."""
    for name in tracked():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / mutation.file).write_text(mutated(mutation), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    begun = time.monotonic()
    ran = subprocess.run(
        [*command, *mutation.test.split()], cwd=folder, capture_output=True, text=True
    )
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    return {
        "invariant": mutation.invariant,
        "mutation": mutation.what,
        "file": mutation.file,
        "caught_by": failed if ran.returncode == 1 else [],
        "seconds": round(time.monotonic() - begun),
    }


def main() -> int:
    """Break everything once; 0 if every mutation was caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutations whose text or file holds this")
    parser.add_argument("--results", type=Path, help=f"with all of them: {RESULTS.name}")
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if options.only in m.what or options.only in m.file]
    found = []
    for mutation in chosen:
        with tempfile.TemporaryDirectory(prefix="stream-app-mutation-") as folder:
            one = caught(mutation, Path(folder))
        found.append(one)
        tests = " ".join(one["caught_by"]) or "NOT CAUGHT"
        print(f"{mutation.invariant} {mutation.what:<48} {tests} ({one['seconds']} s)", flush=True)
    results = options.results or (RESULTS if chosen == list(MUTATIONS) else None)
    if results:
        results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if all(one["caught_by"] for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
