"""A port for a server of a test's own."""

import pytest

from stream_app.broker.process import free_ports


@pytest.fixture
def free_port() -> int:
    (port,) = free_ports(1)
    return port
