"""Fills a template of the page: escaped, within the page's policy, whole or the part that htmx asks for.

Knows who asks, and nothing of what is shown.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fm_anomaly import __version__
from fm_anomaly.api.asking import caller_of
from fm_anomaly.api.page import words
from fm_anomaly.api.routes.categories import in_use
from fm_anomaly.storage.keys import Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fm_anomaly.api.page"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    environment.globals["version"] = __version__
    return environment


def show(request: Request, name: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Return a template as a page, or without its frame where htmx asks for the part."""
    caller = caller_of(request)
    is_part = request.headers.get("hx-request") == "true" and "hx-boosted" not in request.headers
    text = (
        _environment()
        .get_template(name)
        .render(
            frame="part.html" if is_part else "frame.html",
            path=request.url.path,
            query=request.query_params,
            can_write=request.app.state.intake is not None and Scope.OPERATE in caller.opens,
            is_reader=caller.is_session and Scope.OPERATE not in caller.opens,
            has_categories=Scope.READ in caller.opens and in_use(request, caller.tenant) is not None,
            signed_in_as=caller.actor if caller.is_session else "",
            **values,
        )
    )
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Vary": "HX-Request"}
    return HTMLResponse(text, status_code, headers)
