"""Prometheus metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.serving.service import Service

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The Prometheus metrics of one server: its requests, answers, engine and store."""

    def __init__(self, service: Service) -> None:
        """Register all metrics; those of the engine and the store are read when they are scraped."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lorify_requests",
            "Requests answered, by method, route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "lorify_request_seconds",
            "Time from a request to the end of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "lorify_running": ("Answers being generated.", lambda: service.engine.status().running),
            "lorify_waiting": ("Queued answers.", lambda: service.engine.status().waiting),
            "lorify_prompt_tokens": (
                "Prompt tokens processed since the start.",
                lambda: service.engine.status().prompt_tokens,
            ),
            "lorify_answer_tokens": (
                "Tokens generated since the start.",
                lambda: service.engine.status().answer_tokens,
            ),
            "lorify_internalized_tokens": (
                "Document tokens internalized since the start.",
                lambda: service.creator.num_internalized_tokens,
            ),
            "lorify_store_bytes": (
                "Size of all adapters, equal ones of several owners counted for each.",
                lambda: service.store.num_bytes,
            ),
        }
        for name, (description, value) in gauges.items():
            Gauge(name, description, registry=self.registry).set_function(value)


class CountRequests:
    """Middleware that counts and times every request."""

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
            # Labelled by the route's pattern: paths contain ids, and their number is unbounded.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"] if route != "other" else "other", route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
