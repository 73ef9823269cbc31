"""Telling all workers which bundle to serve."""

import time

import schemas
from models.bundle import Bundle, fingerprint
from schemas import Promotion
from stream_app.delivery.message import Record
from stream_app.sending import send_all
from stream_app.settings import Settings

KEY = b"sentiment"
"""What the bundle is for: a later promotion of the same key takes its place."""


async def announce(settings: Settings, bundle: Bundle) -> None:
    """Send the promotion; returns when the broker has stored it. Raises KafkaError."""
    value = Promotion(
        bundle.version, str(bundle.path.resolve()), fingerprint(bundle.path), time.time()
    )
    await send_all(settings, [Record("models", KEY, schemas.encode(value))], lambda _: None)
