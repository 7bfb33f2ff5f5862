"""Map errors to status codes and OpenAI's error bodies."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lorify.errors import (
    AccessError,
    BusyError,
    ClosingError,
    ContextTooLargeError,
    EngineError,
    ForbiddenError,
    LorifyError,
    RequestError,
    StorageLimitError,
    StoreError,
    StoreFullError,
    TooSlowError,
    UnknownAdapterError,
    UnknownJobError,
    UnknownModelError,
)
from lorify.serving.http.absent import describe_absent
from lorify.serving.http.problems import describe_validation
from lorify.serving.http.schemas.lorify_routes import ErrorBody, ErrorDetail

CLOSING_RETRY_SECONDS = 5

# (error class, status, type, code); the first class that matches counts, so subclasses come first.
_REPLIES: tuple[tuple[type[LorifyError], int, str, str | None], ...] = (
    (AccessError, 401, "authentication_error", "invalid_api_key"),
    (ForbiddenError, 403, "permission_error", "forbidden"),
    (UnknownModelError, 404, "invalid_request_error", "model_not_found"),
    (UnknownAdapterError, 404, "invalid_request_error", "adapter_not_found"),
    (UnknownJobError, 404, "invalid_request_error", "job_not_found"),
    (ContextTooLargeError, 413, "invalid_request_error", "too_large"),
    (StorageLimitError, 403, "insufficient_quota", "storage_limit"),
    (StoreFullError, 507, "server_error", "store_full"),
    (StoreError, 500, "server_error", "store_failed"),
    (BusyError, 429, "rate_limit_error", "busy"),
    (ClosingError, 503, "server_error", "closing"),
    (TooSlowError, 504, "server_error", "timeout"),
    (EngineError, 502, "server_error", "engine_failed"),
    (LorifyError, 400, "invalid_request_error", None),
)
_STATUS_BY_CODE = {"unsupported_content_type": 415}
_TYPE_BY_STATUS = {401: "authentication_error", 429: "rate_limit_error"}
_CODE_BY_STATUS = {408: "timeout", 413: "too_large", 429: "busy"}
MAX_MESSAGE_LENGTH = 2000
"""Messages can quote values of any length from a request."""

_log = logging.getLogger(__name__)


def error_response(
    status: int, message: str, *, type: str, param: str | None = None, code: str | None = None, **headers: str
) -> JSONResponse:
    """Build a response with OpenAI's error body.

    Args:
        status: HTTP status, at least 400.
        message: what is wrong.
        type: OpenAI's type of error.
        param: the request field at fault.
        code: a code for programs.
        headers: further headers, with `_` for `-` in their names.
    """
    message, param = _one_line(message), None if param is None else _one_line(param)
    body = ErrorBody(error=ErrorDetail(message=message, type=type, param=param, code=code))
    return JSONResponse(body.model_dump(), status, {name.replace("_", "-"): value for name, value in headers.items()})


def _one_line(text: str) -> str:
    """Return a text that may quote a request so that it can be sent: encodable, in one line, and not too long."""
    # A client can send lone surrogates, which cannot be encoded in the response.
    shown = " ".join(text[: MAX_MESSAGE_LENGTH + 1].encode(errors="replace").decode().split())
    return shown if len(text) <= MAX_MESSAGE_LENGTH else f"{shown} ..."


def error_detail(error: BaseException) -> ErrorDetail:
    """Describe an error as in a response's body; of one that is not lorify's only the type is told."""
    if not isinstance(error, LorifyError):
        return ErrorDetail(message=internal_error(error), type="server_error", param=None, code="internal")
    return ErrorBody.model_validate_json(bytes(lorify_error_response(error).body)).error


def internal_error(error: BaseException) -> str:
    """Return the message for an error that is not lorify's."""
    return f"internal error ({type(error).__name__}); see the server's log"


def lorify_error_response(error: LorifyError) -> JSONResponse:
    """Build the response for one of lorify's errors."""
    status, kind, code = next((s, t, c) for cls, s, t, c in _REPLIES if isinstance(error, cls))
    headers: dict[str, str] = {}
    param = None
    if isinstance(error, BusyError):
        headers["Retry_After"] = str(error.retry_after_seconds)
    if isinstance(error, ClosingError):
        headers["Retry_After"] = str(CLOSING_RETRY_SECONDS)
    if isinstance(error, AccessError):
        headers["WWW_Authenticate"] = "Bearer"
    if isinstance(error, UnknownModelError):
        param = "model"
    if isinstance(error, RequestError):
        param, code = error.param, error.code
        status = _STATUS_BY_CODE.get(code or "", status)
    return error_response(status, str(error), type=kind, param=param, code=code, **headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error response carry OpenAI's error body."""

    async def on_lorify_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, LorifyError)
        return lorify_error_response(error)

    async def on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        message, param = describe_validation(error.errors())
        return error_response(400, message, type="invalid_request_error", param=param)

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        kind = _TYPE_BY_STATUS.get(error.status_code, "invalid_request_error")
        headers = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}
        code = _CODE_BY_STATUS.get(error.status_code)
        message = str(error.detail)
        if (
            error.status_code in (404, 405) and message == HTTPStatus(error.status_code).phrase
        ):  # there is no such route
            message, code = describe_absent(request.method, request.url.path, (error.headers or {}).get("Allow"))
        return error_response(error.status_code, message, type=kind, code=code, **headers)

    async def on_other_error(_request: Request, error: Exception) -> JSONResponse:
        _log.error("a request failed", exc_info=error)
        return error_response(500, internal_error(error), type="server_error", code="internal")

    app.add_exception_handler(LorifyError, on_lorify_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_other_error)


def openapi_errors(*statuses: int) -> Mapping[int | str, dict[str, Any]]:
    """Return a value for FastAPI's `responses`: these statuses carry OpenAI's error body."""
    return {status: {"model": ErrorBody} for status in statuses}
