"""Asks an application without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


def ask(app: Any, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """Return the answer to one request; names of headers with underscores for dashes."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        if method in ("POST", "PATCH"):
            headers.setdefault("content_type", "application/json")
        named = {name.replace("_", "-"): each.encode() for name, each in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8010") as client:
            return await client.request(method, path, headers=named, json=body)

    return asyncio.run(request())


def pages(app: Any, path: str, **headers: str) -> list[Any]:
    """Return every item of a list, page by page; each page tells the same total."""
    found: list[Any] = []
    totals = set()
    following: str | None = path
    while following is not None:
        answer = ask(app, "GET", following, **headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        totals.add(answer.headers["X-Total-Count"])
        link = answer.links.get("next")
        following = None if link is None else link["url"]
    assert totals == {str(len(found))}
    return found
