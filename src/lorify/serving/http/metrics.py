"""Counters and times for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.serving.service import Service

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """What is counted of one server."""

    def __init__(self, service: Service) -> None:
        """Register all of it; what the engine and the store know is asked when it is looked at."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lorify_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "lorify_request_seconds",
            "Time from a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "lorify_running": ("Answers being generated.", lambda: service.engine.status().running),
            "lorify_waiting": ("Answers waiting for their turn.", lambda: service.engine.status().waiting),
            "lorify_prompt_tokens": ("Prompt tokens read so far.", lambda: service.engine.status().prompt_tokens),
            "lorify_answer_tokens": ("Tokens generated so far.", lambda: service.engine.status().answer_tokens),
            "lorify_internalized_tokens": (
                "Document tokens internalized so far.",
                lambda: service.num_internalized_tokens,
            ),
            "lorify_store_bytes": ("Size of all adapters on disk.", lambda: service.store.num_bytes),
        }
        for name, (meaning, value) in gauges.items():
            Gauge(name, meaning, registry=self.registry).set_function(value)


class CountRequests:
    """Counts and times every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            # By the route's pattern: paths hold ids, of which there is no end.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"] if route != "other" else "other", route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
