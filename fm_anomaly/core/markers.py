"""Markers: deploys and changes that people note, and which one stands before the start of a matter.

It must not know where notes come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.frames import US_PER_S

BEFORE_US = 1_800 * US_PER_S
"""A marker so shortly before the start of a matter is told with it."""
MAX_MARKERS = 200


@dataclass(frozen=True, slots=True)
class Marker:
    """One deploy or change; service "" is all of them."""

    marker_id: str
    at_us: int
    service: str
    title: str
    actor: str


def marker_before(markers: Sequence[Marker], services: Sequence[str], start_us: int) -> Marker | None:
    """Return the last marker of these services, or of all, in the half hour up to `start_us`."""
    near = [
        each for each in markers if each.service in ("", *services) and start_us - BEFORE_US <= each.at_us <= start_us
    ]
    return max(near, key=lambda each: (each.at_us, each.marker_id), default=None)


def kept(markers: Sequence[Marker], new: Marker) -> list[Marker]:
    """Return the markers with a new one: by time, the newest 200."""
    return sorted([*markers, new], key=lambda each: (each.at_us, each.marker_id))[-MAX_MARKERS:]


def marker_state(markers: Sequence[Marker]) -> list[Any]:
    """Return markers as plain values."""
    return [[m.marker_id, m.at_us, m.service, m.title, m.actor] for m in markers]


def markers_of(state: list[Any]) -> list[Marker]:
    """Return the markers that `marker_state` gave."""
    return [Marker(*plain) for plain in state]
