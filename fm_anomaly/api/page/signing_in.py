"""Signing in to the page and out of it: a key in a form, a cookie that stands for it.

The form is posted by our own page only; the cookie is HttpOnly and SameSite=Strict, and Secure over TLS. Who is sent
here comes back to the page that was asked for. It must not know what a key opens beyond reading.
"""

from __future__ import annotations

from asyncio import to_thread
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import escape
from starlette.datastructures import Headers
from starlette.types import Scope as ASGIScope

from fm_anomaly.api.access import Caller, Refusal
from fm_anomaly.api.asking import caller_of, gate_of
from fm_anomaly.api.clock import now_us
from fm_anomaly.api.page.showing import show
from fm_anomaly.api.receiving import read_body
from fm_anomaly.api.scopes import PAGES
from fm_anomaly.api.sessions import COOKIE, LIFE_S, Sessions
from fm_anomaly.storage.audit import Deed, note_alone
from fm_anomaly.storage.keys import Scope
from fm_anomaly.storage.tables import ANY

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
_FORM = "application/x-www-form-urlencoded"
_MAX_NEXT = 500


def sign_in_router(sessions: Sessions) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)

    async def form(request: Request) -> Response:
        """Show the form; who is signed in already, or needs no key, goes on."""
        caller = caller_of(request)
        onward = _onward(request.query_params.get("next", ""))
        if Scope.READ in caller.opens or not await gate_of(request).is_closed():
            return RedirectResponse(onward, 303)
        return _form(request, onward)

    async def sign_in(request: Request) -> Response:
        """Take a key and give a cookie for it."""
        _must_be_own_form(request)
        fields = parse_qs((await read_body(request)).decode("utf-8", "replace"), max_num_fields=10)
        secret, onward = (fields.get(name, [""])[0].strip() for name in ("key", "next"))
        onward = _onward(onward)
        gate = gate_of(request)
        caller = await gate.caller_of_secret(secret)
        if caller is None:
            _note_refusal(request, Refusal(401, "signing in with a key that opens nothing"))
            return _form(request, onward, "This key opens nothing: it is wrong, expired or revoked.", 401)
        if Scope.READ not in caller.opens:
            _note_refusal(request, Refusal(403, "signing in with a key that may not read", caller))
            return _form(request, onward, "This key may not read: the page needs the scope read or operate.", 403)
        at_us = now_us()
        await to_thread(_note, request, caller, "signed_in", at_us)
        answer = RedirectResponse(onward, 303)
        value = sessions.made(caller.key_id or caller.actor, at_us)
        answer.set_cookie(
            COOKIE, value, max_age=LIFE_S, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return answer

    async def sign_out(request: Request) -> Response:
        """Take the cookie back."""
        _must_be_own_form(request)
        caller = caller_of(request)
        if caller.is_session:
            await to_thread(_note, request, caller, "signed_out", now_us())
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        # also what the browser may have kept of pages
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    router.add_api_route(SIGN_IN, form, methods=["GET"])
    router.add_api_route(SIGN_IN, sign_in, methods=["POST"])
    router.add_api_route(SIGN_OUT, sign_out, methods=["POST"])
    return router


def to_sign_in(scope: ASGIScope, headers: Headers) -> Response | None:
    """Return what is answered to a browser that asks for a page without a session; None where it is no page.

    A link elsewhere (a chat, a mail) comes without the strict cookie even of who is signed in: the page asks for itself
    once more, and then it is there.
    """
    path, query = scope["path"], scope.get("query_string", b"").decode("latin-1")
    is_page = any(path == page or path.startswith(f"{page}/") for page in PAGES) or path in ("/", SIGN_OUT)
    is_part = headers.get("hx-request") == "true"
    if not is_page or not (is_part or "text/html" in headers.get("accept", "")):
        return None
    if is_part:
        # the whole window goes, not the part that was asked for
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN})
    onward = _onward(f"{path}?{query}" if query else path)
    if headers.get("sec-fetch-site") == "cross-site":
        again = f'<meta http-equiv="refresh" content="0;url={escape(onward)}">'
        return HTMLResponse(f"<!doctype html><title>fm_anomaly</title>{again}")
    return RedirectResponse(f"{SIGN_IN}?next={quote(onward, safe='')}", 303)


def _form(request: Request, onward: str, problem: str = "", status_code: int = 200) -> HTMLResponse:
    return show(request, "sign_in.html", status_code, onward=onward, problem=problem)


def _note(request: Request, caller: Caller, action: str, at_us: int) -> None:
    peer = request.client.host if request.client else ""
    tenant = ANY if caller.is_any else caller.tenant
    note_alone(
        request.app.state.store, tenant, Deed(at_us, caller.actor, action, caller.key_id, details={"from": peer})
    )


def _note_refusal(request: Request, refused: Refusal) -> None:
    peer = request.client.host if request.client else ""
    request.app.state.refusals.note(refused, request.method, SIGN_IN, peer)


def _must_be_own_form(request: Request) -> None:
    """Refuse what another page posts, or what is no form: nobody is signed in as somebody else behind their back."""
    is_own = "origin" in request.headers or request.headers.get("sec-fetch-site") == "same-origin"
    if not is_own or request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(403, "this form is sent by our own page only")


def _onward(wanted: str) -> str:
    """Return where to go on: a path of ours, never another host.

    >>> _onward("/incidents/i-1?x=1"), _onward("//evil.example"), _onward("https://evil.example/"), _onward("/\\\\evil")
    ('/incidents/i-1?x=1', '/incidents', '/incidents', '/incidents')
    """
    parts = urlsplit(wanted) if wanted.isascii() and wanted.isprintable() and len(wanted) <= _MAX_NEXT else None
    is_path = parts is not None and not parts.scheme and not parts.netloc and wanted.startswith("/")
    is_plain = is_path and not wanted.startswith(("//", "/\\", SIGN_IN)) and "\\" not in wanted and " " not in wanted
    return wanted if is_plain and wanted != "/" else "/incidents"
