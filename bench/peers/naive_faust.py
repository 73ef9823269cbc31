"""Faust as its documentation shows it: `take` a batch, compute it, send each result."""

from typing import Any

import faust

from bench.peers.job import Job, message
from stream_app import settings as settings_module

WITHIN = 0.05
"""Seconds that a batch which is not full waits for more."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = settings_module.load()
    job = Job(settings)
    app = faust.App(
        settings.app,
        broker=[f"kafka://{server}" for server in settings.broker.split(",")],
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 6,
        topic_partitions=settings.partitions,
        datadir=settings.data_dir,
        web_enabled=False,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes}
    raw |= {"key_serializer": "raw", "value_serializer": "raw"}
    analyses = app.topic(job.analyses, **raw)

    @app.agent(app.topic(job.reviews, **raw))  # type: ignore[untyped-decorator]
    async def analyse(stream: Any) -> None:
        # take() gives values alone, take_events() the same with the offset that we put into each
        # analysis.
        async for events in stream.take_events(job.rows, within=WITHIN):
            received = (event.message for event in events)
            batch = [message(m.partition, m.offset, m.key, m.value, m.timestamp) for m in received]
            for analysis in job(batch):
                await analyses.send(key=analysis.key, value=analysis.value)

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
