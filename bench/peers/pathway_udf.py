"""Pathway: a function over batches of rows, offsets and inputs in its persistence.

Persistence of operators alone, which would not keep the inputs, needs a licence key.
"""

from pathlib import Path

import pathway as pw

from bench.peers.job import Job, group, librdkafka, message
from stream_app import settings as settings_module

COMMIT_MS = 50
"""Between two moments at which what has come enters the computation."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = settings_module.load()
    job = Job(settings)

    @pw.udf(max_batch_size=job.rows, deterministic=True)  # type: ignore[untyped-decorator]
    def analyse(data: list[bytes], metadata: list[pw.Json]) -> list[tuple[bytes, bytes]]:
        places = [m.as_dict() for m in metadata]
        messages = [
            message(p["partition"], p["offset"], None, value, p["timestamp_millis"] / 1000)
            for value, p in zip(data, places, strict=True)
        ]
        return [(record.key or b"", record.value or b"") for record in job(messages)]

    kafka = {"bootstrap.servers": settings.broker}
    reviews = pw.io.kafka.read(
        kafka | {"group.id": settings.app, "auto.offset.reset": "earliest"} | group(settings),
        topic=job.reviews,
        format="raw",
        autogenerate_key=True,
        with_metadata=True,
        autocommit_duration_ms=COMMIT_MS,
        max_backlog_size=2 * job.rows,
        name="reviews",
    )
    analysed = reviews.select(pair=analyse(pw.this.data, pw.this._metadata))
    analyses = analysed.select(key=pw.this.pair[0], value=pw.this.pair[1])
    pw.io.kafka.write(
        analyses,
        kafka | librdkafka(settings),
        job.analyses,
        format="raw",
        key=analyses.key,
        value=analyses.value,
    )
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        default_logging=False,
        persistence_config=pw.persistence.Config(
            pw.persistence.Backend.filesystem(Path(settings.data_dir) / "persistence"),
        ),
    )


if __name__ == "__main__":
    main()
