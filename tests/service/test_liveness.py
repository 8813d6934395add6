"""Laws of liveness: who was heard as they wrote can fall silent, what was posted from the past cannot."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import Snapshot
from fm_anomaly.service.applying import Applier
from fm_anomaly.service.entries import StartEntry, TickEntry, batch_entry
from fm_anomaly.service.liveness import Liveness
from tests.service.logs import START, batch, minute

NOW_US = int(START.timestamp()) * US_PER_S


def lines(service: str, start: datetime, n_minutes: int) -> bytes:
    """Two lines a second of one service."""
    out = []
    for at in range(n_minutes * 120):
        moment = (start + timedelta(seconds=at / 2)).isoformat().replace("+00:00", "Z")
        out.append(
            json.dumps({"timestamp": moment, "level": "info", "service": service, "event": f"{service} saw {at}"})
        )
    return ("\n".join(out) + "\n").encode()


class Feeding:
    """An applier, and the log that it is given: a tick every two seconds."""

    def __init__(self) -> None:
        self.applier = Applier()
        self.at_s = 0
        self.seq = 0

    def give(self, *some: bytes) -> None:
        for data in some:
            self._take(batch_entry(self._now_us, "default", batch(data), None))

    def wait(self, seconds: int) -> None:
        for _ in range(0, seconds, 2):
            self.at_s += 2
            self._take(TickEntry(self._now_us))

    def restart(self, down_s: int) -> None:
        self.wait(2)
        self.at_s += down_s
        self.applier = Applier.restore(Snapshot.from_bytes(Snapshot(self.applier.snapshot(), "x").to_bytes()).sections)
        self._take(StartEntry(self._now_us))

    def silent(self) -> list[str]:
        book = self.applier.tenants["default"].pipeline.book
        return [alert.stream.service for alert in book.alerts if alert.kind == "silence"]

    def live(self, service: str, n_minutes: int) -> None:
        for _ in range(n_minutes):
            for _ in range(6):
                self.wait(10)
                start = START + timedelta(seconds=self.at_s - 10)
                self.give(b"".join(lines(service, start, 1).splitlines(keepends=True)[:20]))

    @property
    def _now_us(self) -> int:
        return NOW_US + self.at_s * US_PER_S

    def _take(self, entry: object) -> None:
        self.seq += 1
        self.applier.take(self.seq, entry)  # type: ignore[arg-type]


def test_who_was_heard_live_falls_silent() -> None:
    """A stream that came as it was written and stops is told, after a restart too."""
    feeding = Feeding()
    feeding.live("cart", 15)
    feeding.restart(600)
    feeding.live("cart", 2)
    feeding.wait(400)
    assert feeding.silent() == ["cart"]


def test_a_backlog_behind_a_restart_hides_no_silence() -> None:
    """A shipper that catches up after a restart and goes on live for four minutes is missed when it stops."""
    feeding = Feeding()
    feeding.live("cart", 30)
    stopped_s = feeding.at_s
    feeding.restart(1_200)
    for part in range(20):
        feeding.give(lines("cart", START + timedelta(seconds=stopped_s + 60 * part), 1))
        feeding.wait(2)
    feeding.live("cart", 4)
    feeding.wait(900)
    assert feeding.silent() == ["cart"]


def test_a_file_posted_whole_is_never_silent() -> None:
    """Posted whole or in pieces, and again: nobody is silent behind it, nor when others come live the day after."""
    feeding = Feeding()
    old = [lines("mail", START - timedelta(days=1, minutes=-20 * part), 20) for part in range(3)]
    feeding.give(old[0])
    feeding.wait(2)
    feeding.give(*old[1:])
    feeding.wait(600)
    feeding.give(old[2])
    feeding.wait(300)
    feeding.restart(60)
    feeding.wait(300)
    feeding.live("cart", 15)
    assert feeding.silent() == []
    feeding.wait(400)
    assert feeding.silent() == ["cart"]


def test_history_that_goes_on_live_is_waited_for() -> None:
    """A stream whose past was posted and which then comes as it is written is one that can fall silent."""
    feeding = Feeding()
    feeding.give(lines("mail", START - timedelta(days=1), 30))
    feeding.wait(300)
    feeding.live("mail", 12)
    assert feeding.silent() == []
    feeding.wait(400)
    assert feeding.silent() == ["mail"]


def test_pace_is_that_of_receipts() -> None:
    """As fast as it is received: live. Much faster, or not at all: not, nor what brings an hour at once."""
    known = Liveness()
    for minute_ in range(10):
        known.note("live", minute_ * 60 * US_PER_S, NOW_US + minute_ * 60 * US_PER_S)
        known.note("fast", minute_ * 60 * US_PER_S, NOW_US + minute_ * 3600 * US_PER_S)
        known.note("same", minute_ * 60 * US_PER_S, NOW_US)
    assert known.not_live(["live", "fast", "same", "new"]) == ["fast", "same", "new"]
    known = Liveness.restore(known.snapshot())
    known.restarted()
    known.note("live", 601 * US_PER_S, NOW_US + 7_200 * US_PER_S)
    assert known.not_live(["live"]) == []
    known.note("live", 602 * US_PER_S, NOW_US + 10_800 * US_PER_S)
    assert known.not_live(["live"]) == ["live"]


def test_what_others_post_is_nothing_to_a_live_stream() -> None:
    """A minute of history of several services beside a live one changes nothing for it."""
    feeding = Feeding()
    feeding.live("cart", 12)
    feeding.give(minute(0))
    feeding.wait(400)
    assert feeding.silent() == ["cart"]
