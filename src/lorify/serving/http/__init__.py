"""The HTTP API: routes, schemas, middleware and the page."""
