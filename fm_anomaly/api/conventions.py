"""FaultMaven's conventions, laid round every route: request ids echoed, errors of one shape.

Knows nothing of alerts or the store's contents; turns the package's exceptions into status codes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fm_anomaly.api.access import Gate, Refusal
from fm_anomaly.api.refusals import Refusals
from fm_anomaly.api.schemas import ErrorBody
from fm_anomaly.errors import BusyError, DecodeError, DiskFullError, FmAnomalyError, StoreError, UsageError

# what a client sends is echoed into headers and logs: nothing that could break out of either
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_FIXED_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


ToSignIn = Callable[[Scope, Headers], Response | None]
"""What is answered to a request without a key, where the page asks for one."""


class Conventions:
    """ASGI middleware: `X-Request-ID` and `X-Correlation-ID` in and out, and who may ask.

    An id that the client leaves out, or that is not 1 to 128 plain characters, is made here. Every request passes
    the gate before a byte of its body is read; routes find who asks as `request.state.caller`.
    """

    def __init__(self, app: ASGIApp, gate: Gate, refusals: Refusals, to_sign_in: ToSignIn) -> None:
        self._app = app
        self._gate = gate
        self._refusals = refusals
        self._to_sign_in = to_sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _id_of(headers.get("x-request-id"))
        correlation_id = _id_of(headers.get("x-correlation-id"))
        scope.setdefault("state", {})["correlation_id"] = correlation_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out["X-Request-ID"], out["X-Correlation-ID"] = request_id, correlation_id
                for name, value in _FIXED_HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        try:
            try:
                found = await self._gate.admit(scope["method"], scope["path"], headers)
            except StoreError as exc:
                found = Refusal(503, str(exc), retry_after_s=5)
            if isinstance(found, Refusal):
                self._refusals.note(found, scope["method"], scope["path"], (scope.get("client") or ("",))[0])
                asking = self._to_sign_in(scope, headers) if found.status == 401 else None
                answer = _refused(found, correlation_id) if asking is None else asking
                await answer(scope, receive, send_with_headers)
                return
            state = scope["state"]
            state["caller"], state["tenant"], state["actor"] = found, found.tenant, found.actor
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # answered here and not by the outermost layer, which would leave the ids out; then raised on,
            # so that the server logs the traceback
            hidden = _error(500, "internal error; the log has it under this correlation id", correlation_id)
            await hidden(scope, receive, send_with_headers)
            raise


def is_loopback(host: str) -> bool:
    """Tell whether `host`, a name or address without a port, is this machine's loopback.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host_header(header: str) -> bool:
    """Tell whether a `Host` header names the loopback; its port does not matter.

    >>> is_loopback_host_header("127.0.0.1:8010"), is_loopback_host_header("[::1]:8010")
    (True, True)
    """
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d*)?", header)
    return is_loopback(bracketed[1] if bracketed else header.rsplit(":", 1)[0])


def add_error_handlers(app: FastAPI) -> None:
    """Make every error of `app` an `ErrorBody`."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(FmAnomalyError, _on_own_error)


async def _on_http_exception(request: Request, exc: Exception) -> JSONResponse:
    raised = exc if isinstance(exc, HTTPException) else HTTPException(500)
    response = _error(raised.status_code, str(raised.detail), request.state.correlation_id)
    response.headers.update(raised.headers or {})
    return response


async def _on_invalid_request(request: Request, exc: Exception) -> JSONResponse:
    problems = exc.errors() if isinstance(exc, RequestValidationError) else []
    # the values sent are left out: they may be secrets that ended up in the wrong place
    told = "; ".join(f"{'.'.join(str(each) for each in one['loc'])}: {one['msg']}" for one in problems)
    return _error(422, told or "request cannot be read", request.state.correlation_id)


async def _on_own_error(request: Request, exc: Exception) -> JSONResponse:
    if isinstance(exc, UsageError):
        return _error(400, str(exc), request.state.correlation_id)
    if isinstance(exc, DecodeError):
        return _error(exc.status, str(exc), request.state.correlation_id)
    if isinstance(exc, DiskFullError):
        return _error(507, str(exc), request.state.correlation_id)
    if isinstance(exc, BusyError):
        response = _error(429, str(exc), request.state.correlation_id)
        response.headers["Retry-After"] = str(exc.retry_after_s)
        return response
    if isinstance(exc, StoreError):
        response = _error(503, str(exc), request.state.correlation_id)
        response.headers["Retry-After"] = "5"
        return response
    return _error(500, str(exc), request.state.correlation_id)


def _error(status_code: int, detail: str, correlation_id: str) -> JSONResponse:
    body = ErrorBody(
        error=HTTPStatus(status_code).phrase,
        detail=detail,
        status_code=status_code,
        correlation_id=correlation_id,
    )
    return JSONResponse(body.model_dump(), status_code)


def _refused(refused: Refusal, correlation_id: str) -> JSONResponse:
    answer = _error(refused.status, refused.detail, correlation_id)
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if refused.retry_after_s:
        answer.headers["Retry-After"] = str(refused.retry_after_s)
    return answer


def _id_of(sent: str | None) -> str:
    return sent if sent is not None and _SAFE_ID.fullmatch(sent) else str(uuid.uuid4())
