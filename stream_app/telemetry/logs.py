"""Logs to stderr: lines for people, or one JSON object a line for machines."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

from stream_app.settings import Settings

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextFormatter(logging.Formatter):
    """A line a record, and the exception: nothing that a message holds begins another line, or
    moves the cursor of whoever reads it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        if not record.message.isprintable():
            record.message = "".join(
                c if c.isprintable() else c.encode("unicode_escape").decode()
                for c in record.message
            )
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One object a record: time (ISO 8601, UTC), level, logger, message, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; what a message holds cannot begin another."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return _encodable(told)


def _encodable(told: dict[str, str]) -> str:
    try:
        return msgspec.json.encode(told).decode()
    except UnicodeEncodeError:  # half a surrogate pair, out of broken input
        clean = {name: text.encode("utf-8", "replace").decode() for name, text in told.items()}
        return msgspec.json.encode(clean).decode()


def configure(settings: Settings, level: str) -> None:
    """Send everything from `level` on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = settings.log_format == "json"
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
