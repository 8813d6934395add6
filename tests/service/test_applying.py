"""Laws of the state behind the log: a replay gives the same from any snapshot on, and time passes between entries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.commands import Command, CommandKind
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import Snapshot
from fm_anomaly.errors import UsageError
from fm_anomaly.service.accounting import accounting
from fm_anomaly.service.applying import Applier, ApplierParams, Outcome
from fm_anomaly.service.entries import Entry, StartEntry, TickEntry, batch_entry, command_entry, from_bytes, to_bytes
from tests.service.logs import batch, minute

NOW_US = 1_780_000_000 * US_PER_S
N_MINUTES = 70


def log_of(tick_every: int = 3, n_minutes: int = N_MINUTES, tenants: tuple[str, ...] = ("default",)) -> list[Entry]:
    """Return the entries of a log: a batch a minute of event time, twenty of them a second, and ticks between."""
    entries: list[Entry] = []
    for number in range(n_minutes):
        at_us = NOW_US + number * 50_000
        for tenant in tenants:
            entries.append(batch_entry(at_us, tenant, batch(minute(number)), f"{tenant}-{number}"))
        if number % tick_every == tick_every - 1:
            entries.append(TickEntry(at_us + 10_000))
    return [*entries, TickEntry(NOW_US + n_minutes * 50_000)]


def told(outcome: Outcome) -> list[Any]:
    """Return what an outcome says, as plain values."""
    return [
        outcome.seq,
        [
            (
                found.tenant,
                [(e.action, e.alert.alert_id, e.tick_us, e.reason, e.alert.state) for e in found.changed.events],
                [(b.stream, b.start_us, b.n_records, b.n_errors) for b in found.changed.buckets],
            )
            for found in outcome.found
        ],
    ]


def run(entries: list[Entry], applier: Applier, first: int = 1) -> list[Any]:
    return [told(outcome) for seq, entry in enumerate(entries, first) if (outcome := applier.take(seq, entry))]


def alerts_of(applier: Applier, tenant: str = "default") -> list[Any]:
    return [(a.alert_id, a.state, a.start_us, a.n_events) for a in applier.tenants[tenant].pipeline.book.alerts]


def reborn(applier: Applier) -> Applier:
    return Applier.restore(Snapshot.from_bytes(Snapshot(applier.snapshot(), "x").to_bytes()).sections)


@settings(max_examples=5)
@given(at=st.integers(0, 25), back=st.integers(0, 4))
def test_a_replay_from_any_snapshot_gives_the_same(at: int, back: int) -> None:
    """A crash anywhere: the snapshot of some group, fed with the entries behind it, tells what the first run told."""
    entries = [from_bytes(to_bytes(entry)) for entry in log_of()]
    applier, snapshots, wanted = Applier(), [Applier()], []
    for seq, entry in enumerate(entries, 1):
        if outcome := applier.take(seq, entry):
            wanted.append(told(outcome))
            snapshots.append(reborn(applier))
    chosen = snapshots[max(0, min(at, len(snapshots) - 1) - back)]
    behind = [each for each in wanted if each[0] > chosen.seq]
    assert run(entries[chosen.seq :], chosen, chosen.seq + 1) == behind
    assert alerts_of(chosen) == alerts_of(applier)
    assert alerts_of(applier)


@pytest.mark.parametrize("tick_every", [1, 7, 1_000])
def test_where_ticks_fall_does_not_show(tick_every: int) -> None:
    """Groups of one batch, of seven, or all in one: the alerts are the same."""
    one, other = Applier(), Applier()
    run(log_of(3), one)
    run(log_of(tick_every), other)
    assert alerts_of(one) == alerts_of(other)
    assert any("price" in a.title for a in one.tenants["default"].pipeline.book.alerts)


def test_a_group_ends_at_so_many_bytes() -> None:
    """Without any tick, what waits is bounded, and worked on."""
    applier = Applier(ApplierParams(group_bytes=20_000))
    entries = [entry for entry in log_of() if not isinstance(entry, TickEntry)]
    run(entries, applier)
    assert applier.n_waiting < 4
    whole = Applier()
    run([*entries, TickEntry(NOW_US + 10**9)], whole)
    assert alerts_of(applier) == alerts_of(whole)


def test_tenants_are_kept_apart() -> None:
    """Two tenants with the same lines have the same alerts, each its own; a third one has nothing."""
    applier = Applier()
    run(log_of(tenants=("a", "b")), applier)
    first, second = ([alert[2:] for alert in alerts_of(applier, name)] for name in ("a", "b"))
    assert first == second
    assert {a.stream.tenant for a in applier.tenants["a"].pipeline.book.alerts} == {"a"}


def clock_of(applier: Applier) -> int:
    clock = applier.tenants["default"].pipeline.windows.clock_us
    assert clock is not None
    return clock


def test_time_passes_with_ticks_but_does_not_jump() -> None:
    """Seconds without a batch pass; an hour between two entries, a suspended machine or a jump, counts as seconds."""
    applier = Applier()
    run([batch_entry(NOW_US + n * US_PER_S, "default", batch(minute(n)), None) for n in range(3)], applier)
    run([TickEntry(NOW_US + 3 * US_PER_S)], applier, 4)
    began = clock_of(applier)
    run([TickEntry(NOW_US + s * US_PER_S) for s in range(4, 34)], applier, 5)
    assert 25 <= (clock_of(applier) - began) / US_PER_S <= 30
    run([TickEntry(NOW_US + 3_600 * US_PER_S), TickEntry(NOW_US)], applier, 40)
    assert (clock_of(applier) - began) / US_PER_S <= 40


def test_downtime_is_nobodys_silence() -> None:
    """While the service was down no time passed, and after a start it waits a minute for senders to come again."""
    applier = Applier()
    run([batch_entry(NOW_US + n * US_PER_S, "default", batch(minute(n)), None) for n in range(3)], applier)
    run([TickEntry(NOW_US + 3 * US_PER_S)], applier, 4)
    began = clock_of(applier)
    run([StartEntry(NOW_US + 9_000 * US_PER_S)], applier, 5)
    run([TickEntry(NOW_US + (9_000 + s) * US_PER_S) for s in range(60)], applier, 6)
    assert clock_of(applier) == began
    run([TickEntry(NOW_US + (9_060 + s) * US_PER_S) for s in range(60)], applier, 66)
    assert 50 <= (clock_of(applier) - began) / US_PER_S <= 60


def test_a_sender_that_comes_once_a_minute_is_not_late() -> None:
    """Between its uploads time waits for them: its records are counted in time."""
    applier = Applier()
    for number in range(20):
        at_us = NOW_US + number * 60 * US_PER_S
        for second in range(0, 60, 2):
            run([TickEntry(at_us - (60 - second) * US_PER_S)], applier, number * 100 + second + 1)
        run([batch_entry(at_us, "default", batch(minute(number)), None)], applier, number * 100 + 99)
    run([TickEntry(NOW_US + 20 * 60 * US_PER_S)], applier, 10_000)
    pipeline = applier.tenants["default"].pipeline
    assert pipeline.n_counted == 20 * 60
    assert pipeline.n_late <= 60


def test_a_command_stands_where_it_was_given() -> None:
    """What came before it is worked on first; what it did, or why it could not be, is told by its number."""
    applier = Applier()
    run([batch_entry(NOW_US, "default", batch(minute(0)), None)], applier)
    good = Command(CommandKind.MARKER, "default", "ann", NOW_US, "cart", "", text="deploy", command_id="m1")
    bad = Command(CommandKind.RENAME, "default", "ann", NOW_US, "cart", "nothing", text="x")
    outcome = applier.take(2, from_bytes(to_bytes(command_entry(NOW_US, "default", good))))
    assert outcome is not None
    assert outcome.n_batches == 1
    assert outcome.effects[0][0] == 2
    assert isinstance(outcome.effects[0][1], dict)
    outcome = applier.take(3, command_entry(NOW_US, "default", bad))
    assert outcome is not None
    assert isinstance(outcome.effects[0][1], UsageError)


def test_a_fault_of_ours_stops_nobody_elses_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes one tenant's pipeline raise is told and counted; the others go on, and so does it."""
    problems: list[str] = []
    applier = Applier(on_problem=lambda event, fields: problems.append(event))
    run(log_of(1, 2, ("a", "b")), applier)
    monkeypatch.setattr(applier.tenants["a"].pipeline, "receive", lambda arrived: 1 / 0)
    run(log_of(1, 2, ("a", "b")), applier, 100)
    assert problems == ["group_failed", "group_failed"]
    assert applier.n_failures == 2
    assert applier.tenants["b"].pipeline.counts().lines == 240


def test_the_accounting_adds_up_and_survives() -> None:
    """In total, by protocol and by service the sums hold, and a restored state tells the same."""
    applier = Applier()
    entries = log_of(3, 6)
    entries.insert(
        1, batch_entry(NOW_US, "default", batch(b"plain\n\n  at x\nERROR no\n", "syslog/tcp", "syslog"), None)
    )
    run(entries, applier)
    tenant = applier.tenants["default"]
    said = accounting(tenant.pipeline, tenant.received)
    total = said["total"]
    assert total["lines"] == 6 * 60 + 4
    for part in (total, *said["by_protocol"].values()):
        kinds = ("records", "continuations", "blanks", "rejects", "skipped_own")
        assert part["lines"] == sum(part[name] for name in kinds)
    assert sum(part["lines"] for part in said["by_protocol"].values()) == total["lines"]
    assert total["records"] == total["counted"] + total["late"]
    assert sum(each["records"] for each in said["by_service"].values()) == total["records"]
    restored = reborn(applier).tenants["default"]
    assert accounting(restored.pipeline, restored.received) == said
    assert restored.layers.snapshot() == tenant.layers.snapshot()


def test_other_settings_begin_anew_and_say_so() -> None:
    """A tenant whose state was shaped by another bucket width is reset, with a word; the accounting goes on."""
    from dataclasses import replace

    applier = Applier()
    run(log_of(3, 6), applier)
    problems: list[str] = []
    params = applier.params.pipeline
    wider = ApplierParams(pipeline=replace(params, windows=replace(params.windows, bucket_s=300)))
    again = Applier.restore(applier.snapshot(), wider, lambda event, fields: problems.append(event))
    assert problems == ["tenant_reset"]
    assert again.seq == applier.seq


def test_a_command_reaches_the_store_with_its_effect() -> None:
    """What ends a group with a command carries it, though nothing else changed; a refused one carries nothing."""
    applier = Applier()
    good = Command(CommandKind.MARKER, "default", "ann", NOW_US, "cart", "", text="deploy", command_id="m1")
    outcome = applier.take(1, command_entry(NOW_US, "default", good))
    assert outcome is not None
    assert [(found.tenant, found.commands[0].command) for found in outcome.found] == [("default", good)]
    bad = Command(CommandKind.UNSILENCE, "default", "ann", NOW_US, "", "none")
    outcome = applier.take(2, command_entry(NOW_US, "default", bad))
    assert outcome is not None
    assert outcome.found == ()


def test_a_state_of_another_build_begins_anew_and_says_so() -> None:
    """A snapshot that is whole but lacks what this build needs stops no start."""
    applier = Applier()
    run(log_of(3, 6), applier)
    state = applier.snapshot()
    del state["tenants"][0][1]["pipeline"]["detection"]
    problems: list[str] = []
    again = Applier.restore(state, on_problem=lambda event, fields: problems.append(event))
    assert problems == ["tenant_reset"]
    assert again.tenants["default"].pipeline.counts().lines == 0
