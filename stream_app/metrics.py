"""Counters of this process, for Prometheus."""

from prometheus_client import Counter, Info, start_http_server

RECEIVED = Counter("stream_app_received_messages", "Messages taken from a topic", ["topic"])
DEAD = Counter("stream_app_dead_letters", "Messages sent to the dead letters", ["topic"])
MASKED = Counter("stream_app_masked", "Personal data masked", ["kind"])
ALERTS = Counter("stream_app_alerts", "Alerts sent, repeats included", ["kind"])
CACHED = Counter("stream_app_cached_texts", "Texts answered from the cache of identical texts")
MODEL = Info("stream_app_model", "The model that serves")
REFUSED = Counter("stream_app_refused_models", "Announced bundles that could not be loaded")
LATE = Counter("stream_app_late_events", "Events later than the ring of windows reaches")
REPEATED = Counter("stream_app_repeated_events", "Events that were counted before")


def serve(port: int) -> None:
    """Serve the counters on loopback."""
    start_http_server(port, addr="127.0.0.1")
