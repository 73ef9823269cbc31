"""The contestants, and one round of one of them: a burst, a steady load, a kill."""

import asyncio
import time
from importlib import metadata
from typing import NamedTuple

from bench.load import Load, draw, items
from bench.peers.outcome import Outcome, Output, Place, judge
from bench.pipeline import WARM, Figures, burst, quantiles
from bench.run import Run, data_dir, running, send_steadily
from stream_app.inference.batching import Inference
from stream_app.inference.runtime import Model
from stream_app.messages.message import Record
from stream_app.schemas import Analysis, decode
from stream_app.settings import Settings

REST = 3.0
"""Seconds without a new analysis after which it is looked whether all reviews have theirs."""
SILENCE = 60.0
"""Seconds without a new analysis after which the missing ones are lost: several times what a
start, a dead member's session and Pathway's computing all its inputs again take."""
PATIENCE = 300.0
"""Seconds that one round of one contestant may take."""
KILLED_AT = 1 / 3
"""Share of the analyses that are stored when the process is killed."""
TRAIL = 100
"""Reviews that come last of all: what waits for them is late, not lost."""


class Contestant(NamedTuple):
    """A program that does the job: `package` is the distribution whose version is told, `note`
    how it is set up."""

    name: str
    package: str
    module: str
    note: str
    agents: str = "analyse"
    commits: bool = True
    """Whether its group's offsets on the broker show how far it is."""

    def version(self) -> str | None:
        """Of the installed package; None: not installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None


CONTESTANTS = (
    Contestant(
        "stream-app, analyse",
        "faust-streaming",
        "bench.worker",
        "the product's analyse agent alone; writes alerts and signals too",
    ),
    Contestant(
        "plain aiokafka",
        "aiokafka",
        "bench.peers.plain_aiokafka",
        "getmany of 512, inference in a thread, commit after the sends are confirmed",
    ),
    Contestant(
        "Quix Streams",
        "quixstreams",
        "bench.peers.quix_streams",
        "a sink that batches: checkpoint every 512 or 50 ms, committed after the sink's flush",
    ),
    Contestant(
        "Bytewax",
        "bytewax",
        "bench.peers.bytewax_flow",
        "polls of 512, flat_map_batch, recovery store, a snapshot a second",
        commits=False,
    ),
    Contestant(
        "Pathway",
        "pathway",
        "bench.peers.pathway_udf",
        "a UDF over 512 rows, commits every 50 ms, at most 1,024 rows at once; persistence of "
        "inputs, which are computed again at a start (that of operators needs a licence key)",
        commits=False,
    ),
    Contestant(
        "Faust, naive",
        "faust-streaming",
        "bench.peers.naive_faust",
        "take of 512 within 50 ms, inference in the event loop, topic.send of each, defaults",
    ),
    Contestant(
        "stream-app, whole",
        "faust-streaming",
        "bench.worker",
        "for information: all four agents, recommendations and trends included",
        agents="all",
    ),
)


class Course(NamedTuple):
    """The reviews of a round, all different, and how they come."""

    load: Load
    labels: dict[str, str]
    """The sentiment that our processor finds, by review."""
    burst: int
    rate: float
    """Of the steady load, a second."""
    seconds: float
    killed: int
    """Reviews of which some are left when the process is killed."""

    def parts(self) -> tuple[list[Record], list[Record], list[Record], list[Record]]:
        """To warm up, all at once, steadily, with a kill."""
        records = self.load.records()
        burst = WARM + self.burst
        steady = burst + int(self.rate * self.seconds)
        return (
            records[:WARM],
            records[WARM:burst],
            records[burst:steady],
            records[steady : steady + self.killed],
        )


def prepare(
    model: Model, settings: Settings, *, burst: int, rate: float, seconds: float, killed: int
) -> Course:
    """Draw the reviews of a round and find their labels."""
    load = draw(WARM + burst + int(rate * seconds) + killed, settings)
    outputs = Inference(model, cache_size=0).infer(load.prepared)
    best = outputs.probabilities.argmax(axis=1)
    ids = [review.review_id for review in load.reviews]
    labels = {id: model.labels[row] for id, row in zip(ids, best, strict=True)}
    return Course(load, labels, burst, rate, seconds, killed)


async def compete(
    contestant: Contestant, course: Course, settings: Settings, brokers: list[int], *, kill: bool
) -> tuple[Figures, Outcome]:
    """One round of one contestant. Raises RuntimeError when it ends, TimeoutError when it is not
    done in time."""
    warm, laid_up, steady, last = course.parts()
    run = Run(
        contestant.agents,
        settings,
        brokers,
        module=contestant.module,
        commits=contestant.commits,
    )
    async with running(run), asyncio.timeout(PATIENCE):
        with data_dir() as folder:
            await run.send([*items(), *warm])
            run.start(folder)
            await run.finish(len(warm))
            figures = await burst(run, laid_up)
            figures |= await _latency(run, steady, course.rate)
            if kill:
                await _killed(run, last, folder)
            return figures, await _outcome(run, course.labels)


async def _latency(run: Run, records: list[Record], rate: float) -> Figures:
    """From produce to the stored analysis."""
    before = await run.stored("analyses")
    sent = await send_steadily(run.settings, records, rate)
    await run.finish(before + len(records))
    stored = [
        (decode(analysis.value, Analysis).id.encode(), analysis.time)
        for analysis in await run.read("analyses")
    ]
    return quantiles([when - sent[key] for key, when in stored if key in sent])


async def _killed(run: Run, records: list[Record], folder: str) -> None:
    """Kill the process while it works on reviews that are all there; start it again."""
    enough = await run.stored("analyses") + KILLED_AT * (len(records) - TRAIL)
    await run.lay_up(records[:-TRAIL])
    while await run.stored("analyses") < enough:
        run.check()
        await asyncio.sleep(0.02)
    run.kill()
    run.start(folder)
    await _settle(run)
    await run.send(records[-TRAIL:])
    await _settle(run)


async def _settle(run: Run) -> None:
    """Wait until every review has an analysis and no more come, or none has come for long."""
    seen, since, looked = -1, time.monotonic(), False
    while True:
        run.check()
        stored = await run.stored("analyses")
        if stored != seen:
            seen, since, looked = stored, time.monotonic(), False
        quiet = time.monotonic() - since
        if quiet > SILENCE:
            return
        if quiet > REST and not looked:
            looked = True
            done = {output.place for output in await _outputs(run)}
            if len(done) == await run.stored("reviews"):
                return
        await asyncio.sleep(0.2)


async def _outputs(run: Run) -> list[Output]:
    found = [decode(stored.value, Analysis) for stored in await run.read("analyses")]
    return [Output((a.source.partition, a.source.offset), a.id, a.sentiment) for a in found]


async def _outcome(run: Run, labels: dict[str, str]) -> Outcome:
    reviews: dict[Place, str] = {
        (stored.partition, stored.offset): stored.key.decode()
        for stored in await run.read("reviews")
    }
    return judge(reviews, labels, await _outputs(run))
