"""Faust's tables on our store: Faust assigns their partitions and restores them."""

from typing import Any

import faust
from faust.tables import Table

from stream_app.delivery.upstream.names import require
from stream_app.delivery.upstream.store import Store

BLOCK_CACHE = 2 * 1024 * 1024
"""Bytes per partition; Faust's default is 2 GiB."""
WRITE_BUFFER = 1 * 1024 * 1024
"""Bytes per partition, at most three at once; the default of 64 MiB looks like a leak."""


class _Table(Table):  # type: ignore[misc]
    def _new_store(self) -> Store:
        return Store("rocksdb://", self.app, self, table_name=self.name, options=self.options)


def add(app: faust.App, name: str) -> Any:
    """Add a table of bytes to an app. Its `data` is the Store, its `changelog_topic_name` the topic
    that it is restored from. Raises UpstreamError."""
    require("tables")
    require("store")
    return app.tables.add(
        _Table(
            app,
            name=name,
            key_type=bytes,
            value_type=bytes,
            partitions=app.conf.topic_partitions,
            options={
                "driver": "rocksdict",
                "block_cache_size": BLOCK_CACHE,
                "write_buffer_size": WRITE_BUFFER,
            },
            beacon=app.tables.beacon,
        )
    )
