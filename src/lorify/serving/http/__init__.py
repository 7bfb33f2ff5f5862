"""The HTTP API: routes, schemas, guards."""
