"""Reviews to analyses, severe alerts, signals, and what discovery reads."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import numpy as np

from stream_app import schemas
from stream_app.alerts.severe import SevereRule, severe
from stream_app.emerging.discovered import SUBJECT
from stream_app.emerging.unmatched import unmatched
from stream_app.inference.batching import Inference
from stream_app.inference.live import Live
from stream_app.messages.dead_letter import dead_letter
from stream_app.messages.identity import event_hash
from stream_app.messages.message import (
    INGEST_TIME,
    Headers,
    Message,
    Record,
    Result,
    StateReader,
    carried,
)
from stream_app.messages.vectors import pack
from stream_app.processors.signals import Collector
from stream_app.processors.validity import event_time
from stream_app.schemas import Alert, Analysis, Invalid, Review, Signal, Topic
from stream_app.schemas.records import Sentiment, Source
from stream_app.telemetry import metrics
from stream_app.text.mask import Masker
from stream_app.text.prepare import Prepared, prepare

STAGE = "analyse"
SIGN: dict[str, Literal[-1, 0, 1]] = {"negative": -1, "neutral": 0, "positive": 1}


class _Prepared(NamedTuple):
    """A valid review, its event time, and its text made ready for the model."""

    message: Message
    review: Review
    time: float
    prepared: Prepared


class Analyse:
    """Sentiment, intensity, topics and embedding of each review. Keeps no state."""

    def __init__(
        self,
        live: Live,
        masker: Masker,
        severe_rule: SevereRule,
        *,
        praise: float,
        max_text: int,
        future_seconds: float,
    ) -> None:
        """`praise`: popularity that an entirely positive review adds to its item."""
        self._live = live
        self._masker = masker
        self._severe = severe_rule
        self._praise = praise
        self._max_text = max_text
        self._future = future_seconds

    def __call__(self, messages: Sequence[Message], read: StateReader) -> Result:
        records: list[Record] = []
        valid: list[_Prepared] = []
        for message in messages:
            try:
                valid.append(self._validate(message))
            except Invalid as error:
                records.append(dead_letter(message, error, STAGE))
        inference, scorer = self._live.current
        outputs = inference.infer([entry.prepared.text for entry in valid])
        metrics.inferred(outputs.cached, outputs.tokens, outputs.padding)
        topics = scorer.topics(outputs.embedding)
        signals = Collector()
        for row, entry in enumerate(valid):
            if row in outputs.errors:
                failed = Invalid(
                    f"the model failed on this text: {type(outputs.errors[row]).__name__}"
                )
                records.append(dead_letter(entry.message, failed, STAGE))
                continue
            analysis = self._analysis(
                entry,
                outputs.probabilities[row],
                float(outputs.intensity[row]),
                outputs.embedding[row],
                topics[row],
                inference,
            )
            headers = carried(entry.message.headers)
            produced = (INGEST_TIME, b"%d" % round(1000 * entry.message.time))
            user, encoded = analysis.user_id.encode(), schemas.encode(analysis)
            records.append(Record("analyses", user, encoded, (*headers, produced)))
            alert = severe(analysis, self._severe)
            if alert is not None:
                records.append(alert_record(alert, headers))
            sample = unmatched(analysis)
            if sample is not None:
                slot, value = sample
                records.append(Record("unmatched", slot, schemas.encode(value), headers))
            self._signal(signals, entry.message, analysis)
        records.extend(signals.records())
        return Result(records, [])

    def _validate(self, message: Message) -> _Prepared:
        review = schemas.decode(message.value, Review)
        if len(review.text) > self._max_text:
            raise Invalid(f"text of {len(review.text)} characters, at most {self._max_text}")
        if not review.text.strip():
            raise Invalid("the text is empty")
        time = event_time(review.time, message.time, self._future)
        prepared = prepare(review.text, self._masker)
        if not prepared.text:
            raise Invalid("the text is empty after cleaning")
        return _Prepared(message, review, time, prepared)

    def _analysis(
        self,
        entry: _Prepared,
        probabilities: np.ndarray,
        intensity: float,
        embedding: np.ndarray,
        topics: list[Topic],
        inference: Inference,
    ) -> Analysis:
        message, review, time, prepared = entry
        labels = cast(Sequence[Sentiment], inference.labels)
        named: dict[str, float] = dict(zip(labels, map(float, probabilities), strict=True))
        for kind, count in prepared.masked.items():
            metrics.MASKED.labels(kind).inc(count)
        return Analysis(
            id=review.review_id,
            user_id=review.user_id,
            item_id=review.item_id,
            stars=review.stars,
            text=prepared.text,
            language=prepared.language,
            sentiment=max(named, key=lambda label: named[label]),
            probabilities=named,
            intensity=intensity,
            topics=topics,
            model=inference.version,
            time=time,
            source=Source(message.topic, message.partition, message.offset),
            vector=pack(embedding),
            masked=prepared.masked,
            embedding=[float(x) for x in embedding] if review.embedding else None,
        )

    def _signal(self, signals: Collector, message: Message, analysis: Analysis) -> None:
        names = [topic.id for topic in analysis.topics]
        sign = SIGN[analysis.sentiment]
        praise = self._praise * max(analysis.intensity, 0.0)
        event = event_hash("review", analysis.user_id, analysis.id)

        def entry(weight: float, topics: list[str]) -> Signal:
            return Signal(
                message.offset, event, analysis.time, analysis.intensity, sign, weight, topics
            )

        if analysis.item_id is not None:
            signals.add(f"item:{analysis.item_id}", message.source, entry(praise, names))
        for name in names:
            signals.add(f"topic:{name}", message.source, entry(0.0, []))
        if not names:
            signals.add(SUBJECT, message.source, entry(0.0, []))


def alert_record(alert: Alert, headers: Headers = ()) -> Record:
    """An alert as a message."""
    metrics.ALERTS.labels(alert.kind).inc()
    return Record("alerts", alert.subject.encode(), schemas.encode(alert), headers)
