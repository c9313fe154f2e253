"""Health, readiness and figures. Counts only: nothing here says who or what."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.base import AsciiJson, refusal
from bot.mailbox import alive, figures
from bot.settings import Settings
from bot.storage import StorageUnavailable, Store


class StoreFigures(Collector):
    """Asks the store at each scrape, so that one scrape tells about doors and engines alike."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        return []  # registering must not ask a store that may not answer yet

    def collect(self) -> Iterable[Metric]:
        try:
            found = figures(self._store)
        except StorageUnavailable:
            yield GaugeMetricFamily("helpline_store_up", "Whether the store answers.", value=0)
            return
        yield GaugeMetricFamily("helpline_store_up", "Whether the store answers.", value=1)
        yield GaugeMetricFamily("helpline_engine_up", "Whether an engine gave a sign of life in the last 10 s.", value=float(found.engine_alive))
        yield GaugeMetricFamily("helpline_waiting_messages", "Messages without an outcome.", value=found.waiting)
        yield GaugeMetricFamily("helpline_oldest_waiting_seconds", "Age of the oldest message without an outcome.", value=found.oldest_waiting)
        yield GaugeMetricFamily("helpline_attention", "Entries that no worker has seen.", value=found.attention)
        kinds = GaugeMetricFamily("helpline_attention_kinds", "The same, by kind.", labels=["kind"])
        for kind, count in sorted(found.attention_kinds.items()):
            kinds.add_metric([kind], count)
        yield kinds
        for name, help_text, counts in (("helpline_outgoing", "Send queue, by state.", found.outgoing), ("helpline_handoffs", "Handoffs, by state.", found.handoffs)):
            family = GaugeMetricFamily(name, help_text, labels=["state"])
            for state, count in sorted(counts.items()):
                family.add_metric([state], count)
            yield family


class Health:
    """``/healthz``, ``/readyz``, ``/metrics``, and the counter of requests."""

    def __init__(self, settings: Settings, store: Store, registry: CollectorRegistry) -> None:
        self._token = settings.metrics_token
        self._store = store
        self._registry = registry
        self._requests = Counter("helpline_requests_total", "Requests, by route, method and status.", ["route", "method", "status"], registry=registry)
        self._seconds = Histogram("helpline_request_seconds", "How long requests took; polls wait on purpose.", ["route"], registry=registry)
        registry.register(StoreFigures(store))

    def routes(self) -> list[Route]:
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz), Route("/metrics", self.metrics)]

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note one request. ``route`` is the pattern, not the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def healthz(self, _request: Request) -> Response:
        """200: the process lives."""
        return AsciiJson({"alive": True})

    async def readyz(self, _request: Request) -> Response:
        """200 when doors, store and an engine work, else 503 with what does not."""
        try:
            engine, store = await run_in_threadpool(alive, self._store, "engine"), True
        except StorageUnavailable:
            engine = store = False
        return AsciiJson({"doors": True, "store": store, "engine": engine}, 200 if engine and store else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text format, on loopback (not through a proxy) or by token; else as if it were not there."""
        if not self._allowed(request):
            return refusal(404, "not_found")
        return Response(await run_in_threadpool(generate_latest, self._registry), media_type=CONTENT_TYPE_LATEST)

    def _allowed(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        if self._token and hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self._token}".encode()):
            return True
        if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via")) or request.client is None:
            return False
        try:
            return ipaddress.ip_address(request.client.host).is_loopback
        except ValueError:
            return False
