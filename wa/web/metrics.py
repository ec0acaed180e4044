"""The figures of /metrics, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from wa.queue.rows import STATUSES
from wa.web.answers import Answer
from wa.web.health import Report


class _Figures:
    """The figures of one report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Any]:
        """Yield the figures."""
        report, checks = self._report, self._report.values["checks"]
        queue = GaugeMetricFamily("wa_queue_messages", "Messages in the queue.", labels=["status"])
        for status in STATUSES:
            queue.add_metric([status], checks["queue"].get(status, 0))
        yield queue
        yield _gauge("wa_healthy", "Whether nothing is wrong.", not report.problems)
        yield _gauge("wa_connected", "Whether WhatsApp is connected.", report.values["connected"])
        yield _gauge("wa_overdue_messages", "Messages that are late.", checks["queue"].get("overdue", 0))
        yield _gauge(
            "wa_waiting_events", "Events that are not recorded yet.", checks["storing"].get("waiting", 0)
        )
        yield _gauge("wa_unfinished_jobs", "Jobs that are not over.", report.values["pendingJobs"] or 0)
        for name, about, moment in (
            ("wa_last_message_seconds", "When the newest message was sent.", report.last_message_at),
            ("wa_last_backup_seconds", "When the last good backup was begun.", report.last_backup_at),
        ):
            if moment is not None:
                yield _gauge(name, f"{about} Unix time.", moment.timestamp())
        problems = GaugeMetricFamily("wa_problem", "What is wrong.", labels=["problem"])
        for problem in report.problems:
            problems.add_metric([problem], 1)
        yield problems


def _gauge(name: str, about: str, value: float) -> Any:
    return GaugeMetricFamily(name, about, value=float(value))


def figures(report: Report, accept: str) -> Answer:
    """Return the figures in the form that `accept`, a request's header, asks for."""
    registry = CollectorRegistry()
    registry.register(_Figures(report))
    encode, kind = choose_encoder(accept)
    return Answer(200, encode(registry), kind=kind)
