"""Counters of this process, for Prometheus."""

from prometheus_client import Counter, start_http_server

RECEIVED = Counter("stream_app_received_messages", "Messages taken from a topic", ["topic"])
DEAD = Counter("stream_app_dead_letters", "Messages sent to the dead letters", ["topic"])
MASKED = Counter("stream_app_masked", "Personal data masked", ["kind"])
ALERTS = Counter("stream_app_alerts", "Alerts sent, repeats included", ["kind"])
LATE = Counter("stream_app_late_events", "Events later than the ring of windows reaches")
REPEATED = Counter("stream_app_repeated_events", "Events that were counted before")


def serve(port: int) -> None:
    """Serve the counters on loopback."""
    start_http_server(port, addr="127.0.0.1")
