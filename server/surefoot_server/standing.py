"""How a running server stands: what does not work, what will soon stop it, and its own figures for /metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_server import db
from surefoot_server.clock import Clock
from surefoot_server.ground import Ground
from surefoot_server.line import Line
from surefoot_server.services import Services


@dataclass(frozen=True, slots=True)
class Standing:
    ground: Ground
    line: Line
    services: Services
    clock: Clock

    def problems(self) -> list[str]:
        """One sentence for each part that does not do its work; an empty one for each that does."""
        connected, broker = self.line.gateway.stats().connected, self.line.broker
        return [
            "" if connected else f"The gateway is not connected to the broker ({broker.name} at port {broker.port}).",
            self.clock.problem(),
            *self.services.alarms.problems(db.utc_now()),
        ]

    def warnings(self) -> list[str]:
        """One sentence for each thing that will stop it if nobody acts."""
        now = db.utc_now()
        return [
            *self.services.alarms.warnings(now),
            *self.ground.checkpoints.warnings(now),
            *self.services.builders.problems(),
        ]

    def counters(self) -> Mapping[str, float | Mapping[str, float]]:
        """Figures by their names without the prefix; a mapping carries one label."""
        line = self.line
        stats = line.gateway.stats()
        taken = stats.intake
        dropped = {"malformed": taken.dead, "rate_limited": taken.limited, "queue_full": taken.dropped}
        return {
            "broker_connected": float(stats.connected),
            "delivery_waiting": line.delivery.waiting(),
            "dropped_messages_total": {**dropped, **line.ingest.dropped()},
            "ingest_queue": taken.queued,
            "job_duration_s": self.clock.took_s(),
            "messages_handled_total": taken.handled,
            "messages_received_total": taken.received,
            **line.broadcast.counters(),
            "event_streams": len(self.services.streams),
            "scheduler_leader": float(self.services.leader.leads()),
            "telemetry_samples_total": line.ingest.samples(),
            "metadata_days_left": self.services.alarms.days_left(db.utc_now()),
        }
