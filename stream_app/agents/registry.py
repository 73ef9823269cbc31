"""All agents, each after those that feed it, and all broadcasts."""

from stream_app.agents import analyse, catalogue, emerging, interests, models, watch

AGENTS = (catalogue.AGENT, analyse.AGENT, interests.AGENT, watch.AGENT)
SUBSCRIPTIONS = (
    catalogue.SUBSCRIPTION,
    watch.SUBSCRIPTION,
    models.SUBSCRIPTION,
    emerging.SUBSCRIPTION,
)
