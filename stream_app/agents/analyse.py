"""reviews → analyses, severe alerts, signals, unmatched texts."""

from stream_app.agents.description import Agent

AGENT = Agent(
    "analyse",
    lambda pipeline: pipeline.analyse,
    # As many batches at once as the model has threads.
    threads=lambda pipeline: pipeline.live.current.inference.model.threads,
)
