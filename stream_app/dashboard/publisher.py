"""What the page writes: acknowledgements, and reviews that a visitor types."""

import time
from uuid import uuid4

from stream_app import schemas
from stream_app.dashboard.state import DashboardState, Journey
from stream_app.delivery.outbox import Outbox
from stream_app.messages.message import Record
from stream_app.schemas import Acknowledgement, Review
from stream_app.settings import Settings


class Publisher:
    """One producer, connected at the first write."""

    def __init__(self, settings: Settings) -> None:
        self._outbox = Outbox(settings)

    async def stop(self) -> None:
        """Disconnect."""
        await self._outbox.stop()

    async def acknowledge(self, alert_id: str, withdrawn: bool = False) -> None:
        """Record for every dashboard that somebody has seen an alert, or, `withdrawn`, that it is
        open again. Raises KafkaError."""
        value = Acknowledgement(alert_id, time.time(), withdrawn)
        await self._send(Record("acknowledgements", alert_id.encode(), schemas.encode(value)))

    async def review(
        self, state: DashboardState, user_id: str, text: str, item_id: str | None
    ) -> Journey:
        """Send a review and track what comes of it. Raises KafkaError."""
        review = Review(f"page-{uuid4().hex}", user_id, text, item_id)
        journey = Journey(review.review_id, user_id, time.time())
        state.track(journey)
        await self._send(Record("reviews", review.review_id.encode(), schemas.encode(review)))
        journey.stored = time.time()
        return journey

    async def _send(self, record: Record) -> None:
        await self._outbox.start()
        await self._outbox.deliver([record])
