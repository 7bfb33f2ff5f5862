"""JSON bodies of requests, validated outside of the event loop and only if they are not too complex."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from lorify.errors import RequestError
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.problems import describe_validation
from lorify.serving.service import Service

MAX_KEYS = 20_000
"""Fields of all objects in a body. Each unknown one becomes an error, which takes a thousand times its memory."""
MAX_ITEMS = 20_000
"""Objects, arrays and items of arrays in a body, beyond the token ids of its prompts."""

_SLICE_BYTES = 1 << 20

Body = TypeVar("Body", bound=BaseModel)


def body_schema(model: type[BaseModel], other: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Return a value for FastAPI's `openapi_extra`: the body is JSON of this schema.

    Args:
        model: the schema.
        other: further media types that are accepted, and their schemas.
    """
    schemas = {"application/json": {"$ref": f"#/components/schemas/{model.__name__}"}, **other}
    content = {name: {"schema": schema} for name, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


def add_body_schemas(components: dict[str, Any], *models: type[BaseModel]) -> None:
    """Add the schemas of bodies, and those that they refer to, to the components of an OpenAPI document."""
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update(schema.pop("$defs", {}))
        components[model.__name__] = schema


def json_body(model: type[Body]) -> Callable[..., Awaitable[Body]]:
    """Return a dependency that reads a body of prompts: `Annotated[ChatRequest, Depends(json_body(ChatRequest))]`."""

    async def read(request: Request, service: ServiceDependency, owner: OwnerDependency) -> Body:
        content = await request.body()
        max_ids = service.settings.max_answers * service.model.base.window_tokens
        with service.prompts.slot(owner):
            return await service.prompts.run(lambda: validate_json(model, content, MAX_ITEMS + max_ids), owner)

    return read


async def read_json(request: Request, service: Service, owner: str, model: type[Body]) -> Body:
    """Read the body of a request that carries documents.

    Raises:
        RequestError: if it is not JSON, has too many values, or does not fit `model`.
        BusyError: if too many requests wait for their documents to be read.
    """
    content = await request.body()
    return await service.documents.run(lambda: validate_json(model, content, MAX_ITEMS), owner)


def validate_json(model: type[Body], content: bytes, max_items: int) -> Body:
    """Validate JSON.

    Args:
        model: its schema.
        content: JSON in UTF-8.
        max_items: limit on the number of objects, arrays and items of arrays.

    Raises:
        RequestError: if it is not JSON, has too many values, or does not fit `model`.
    """
    check_complexity(content, max_items)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        message, param = describe_validation(error.errors(include_url=False, include_input=False))
        raise RequestError(message, param=param) from error


def check_complexity(content: bytes, max_items: int) -> None:
    """Refuse JSON with very many values without parsing it: a byte of JSON can take hundreds of bytes as objects.

    Raises:
        RequestError: if it has more than `MAX_KEYS` fields or more than `max_items` objects, arrays and items.
    """
    num_quotes = num_fields = num_items = 0
    for part in _slices(content):
        unescaped = part.replace(b"\\\\", b"").replace(b'\\"', b"")
        starts_in_string = num_quotes % 2
        num_quotes += unescaped.count(b'"')
        if num_quotes <= 2 * (MAX_KEYS + max_items):
            outside_strings = b"".join(unescaped.split(b'"')[starts_in_string::2])
            num_fields += outside_strings.count(b":")
            num_items += sum(map(outside_strings.count, (b"{", b"[", b",")))
            if num_fields <= MAX_KEYS and num_items <= max_items:
                continue
        raise RequestError(
            f"the body has more than {MAX_KEYS:,} fields or {max_items:,} items; send less at once",
            code="too_many_values",
        )


def _slices(content: bytes) -> Iterator[bytes]:
    """Cut JSON into slices without cutting escapes: other threads wait while one is worked on."""
    start = 0
    while start < len(content):
        part = content[start : start + _SLICE_BYTES]
        if (len(part) - len(part.rstrip(b"\\"))) % 2:
            part = content[start : start + len(part) + 1]
        yield part
        start += len(part)
