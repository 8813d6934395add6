"""The web page: what the API tells, for people; Jinja2, htmx and uPlot, no build step.

Reads the store through the same readers as the API; what a person does goes to the API's routes, as JSON. Log text is
escaped by the templates, and the page's policy runs no script but its own files.
"""

from __future__ import annotations

from fm_anomaly.api.page.signing_in import sign_in_router, to_sign_in
from fm_anomaly.api.page.views import page_router

__all__ = ["page_router", "sign_in_router", "to_sign_in"]
