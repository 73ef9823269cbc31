"""Is every input accounted for? Read off the output topics alone."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stream_app.messages import dead_letter as dead


class Place(NamedTuple):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int


@dataclass
class Account:
    """What was sent, and what came of it."""

    sent: dict[Place, str] = field(default_factory=dict)
    """Key of each input."""
    analyses: dict[str, dict[str, Any]] = field(default_factory=dict)
    analysed: set[Place] = field(default_factory=set)
    recommendations: int = 0
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Last recommendations of each user."""
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    trends: dict[str, dict[str, Any]] = field(default_factory=dict)
    dead: dict[Place, str] = field(default_factory=dict)
    """Reason by place."""
    vectors: set[str] = field(default_factory=set)

    def apply(
        self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]
    ) -> None:
        """Count one message of an output topic."""
        if topic == "dead-letters":
            place = Place(*dead.origin(headers.items()))
            self.dead[place] = dead.error_headers(headers.items())["exception.message"]
            return
        if topic == "item-vectors":
            self.vectors.add((key or b"").decode())
            return
        record = json.loads(value or b"null")
        match topic:
            case "analyses":
                self.analyses[record["id"]] = record
                self.analysed.add(Place(**record["source"]))
            case "recommendations":
                self.recommendations += 1
                self.newest[record["user_id"]] = record
            case "alerts":
                self.alerts[record["id"]] = record
            case "trends":
                self.trends[record["subject"]] = record

    def open(self) -> list[Place]:
        """Inputs that are neither in the outputs nor in the dead letters."""
        return [p for p, key in self.sent.items() if p not in self.dead and not self._done(p, key)]

    def _done(self, place: Place, key: str) -> bool:
        match place.topic:
            case "reviews":
                return place in self.analysed
            case "items":
                return key in self.vectors
            case _:
                applied = self.newest.get(key, {}).get("applied", {})
                return bool(applied.get(f"behaviours/{place.partition}", -1) >= place.offset)

    def emerging(self) -> list[dict[str, Any]]:
        """The newest topics that the profile does not describe."""
        found: list[dict[str, Any]] = self.trends.get("emerging", {}).get("emerging", [])
        return found

    def summary(self, seconds: float) -> dict[str, Any]:
        """The figures of the run."""
        kinds = [alert["kind"] for alert in self.alerts.values()]
        begun = [a["subject"] for a in self.alerts.values() if a["kind"] == "surge_begun"]
        count = [place.topic for place in self.sent].count
        return {
            "reviews_in": count("reviews"),
            "behaviours_in": count("behaviours"),
            "items_in": count("items"),
            "analyses": len(self.analyses),
            "dead_letters": len(self.dead),
            "severe_alerts": kinds.count("severe"),
            "surge_alerts": len(begun),
            "surges": sorted(begun),
            "surges_over": kinds.count("surge_over"),
            "recommendations": self.recommendations,
            "trends": len(self.trends),
            "emerging": len(self.emerging()),
            "users": len(self.newest),
            "unaccounted": len(self.open()),
            "seconds": round(seconds, 1),
        }
