"""Asks a broker on this machine one question in the Kafka protocol, without a client library.

A client library would need an event loop, and retries where a plain "not yet" is wanted.
"""

import socket
import struct

from stream_app.broker.process import LOOPBACK

_METADATA = 3
_VERSION = 1
_CLIENT = b"stream-app"


def live_nodes(port: int, host: str = LOOPBACK, seconds: float = 2.0) -> set[int]:
    """Ids of the brokers that the one at `port` lists as alive.

    One Metadata request, version 1, for no topics (Kafka protocol guide). Raises OSError while
    nobody answers.
    """
    body = struct.pack(">i", 0)
    header = struct.pack(">hhih", _METADATA, _VERSION, 1, len(_CLIENT)) + _CLIENT
    message = header + body
    with socket.create_connection((host, port), timeout=seconds) as connection:
        connection.sendall(struct.pack(">i", len(message)) + message)
        (size,) = struct.unpack(">i", _read(connection, 4))
        return _node_ids(_read(connection, size))


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the broker closed the connection")
        parts += part
    return bytes(parts)


def _node_ids(response: bytes) -> set[int]:
    """Reads `correlation id, [node id, host, port, rack]…`; what follows is not needed."""
    _, count = struct.unpack_from(">ii", response, 0)
    position, nodes = 8, set()
    for _ in range(count):
        node, length = struct.unpack_from(">ih", response, position)
        position += 6 + length + 4
        (rack,) = struct.unpack_from(">h", response, position)
        position += 2 + max(rack, 0)
        nodes.add(node)
    return nodes
