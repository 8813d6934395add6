"""Works through the outbox: for each receiver what is due, made few messages, sent, and its fate written down.

`run_once(now)` does all that is due and returns; threads, polling and the clock are somebody else's. At least once:
a crash between an answer and its being written down sends again, under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from fm_anomaly.core.notices import FIRES_AGAIN, Notice
from fm_anomaly.core.outbox_rows import OutboxRow, Outcome, State
from fm_anomaly.logs import Log
from fm_anomaly.notify import alertmanager, slack, webhook
from fm_anomaly.notify.pacing import Breaker, Rate, wait_us
from fm_anomaly.notify.planning import Change, Says, changes
from fm_anomaly.notify.receivers import NotifyParams, ReceiverKind, Target, receivers_of
from fm_anomaly.notify.requests import Answer, Message
from fm_anomaly.notify.transport import HttpTransport, Transport

_US = 1_000_000
_LEASE_US = 300 * _US
_DAY_US = 86_400 * _US
_PURGE_EVERY_US = 3_600 * _US
_ERROR_CHARS = 500

MESSAGES = {
    ReceiverKind.ALERTMANAGER: alertmanager.messages,
    ReceiverKind.WEBHOOK: webhook.messages,
    ReceiverKind.SLACK: slack.messages,
}
"""What makes the requests of each kind of receiver."""


class OutboxPort(Protocol):
    """The outbox, as a sender needs it; `storage.outbox.Outbox` is one."""

    def release(self) -> None:
        """Make pending again what a sender had taken that has ended meanwhile."""
        ...

    def route(self, receivers: Callable[[Notice], Sequence[str]], now_us: int, limit: int = 500) -> int:
        """Copy what has no receiver yet to those that want it; return how many rows were looked at."""
        ...

    def claim(self, tenant: str, receiver: str, now_us: int, lease_us: int, limit: int = 500) -> tuple[OutboxRow, ...]:
        """Take what is due for a receiver."""
        ...

    def told(self, tenant: str, receiver: str, alert_ids: Sequence[str]) -> dict[str, OutboxRow]:
        """Return the last change of each alert that the receiver knows of."""
        ...

    def as_they_stand(self, found: Sequence[Notice]) -> dict[str, Notice]:
        """Return, by alert, these notices with what is known of their alerts by now."""
        ...

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of rows that were taken."""
        ...

    def abandon(self, receivers: Sequence[str], now_us: int) -> None:
        """Give up what waits for receivers other than these."""
        ...

    def purge(self, done_before_us: int, dead_before_us: int) -> int:
        """Delete what was done with, and given up, before these times."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver's sender has done since it began; counts for metrics."""

    messages: int = 0
    failures: int = 0
    dead: int = 0
    is_open: bool = False
    """Whether it is being left alone after failures in a row."""


class _Line:
    """The state of one receiver's line: how it is paced and what it has done."""

    def __init__(self, target: Target, transport: Transport) -> None:
        self.target = target
        self.transport = transport
        self.breaker = Breaker()
        self.rate = Rate(target.receiver.rate)
        self.sent = Sent()

    @property
    def name(self) -> str:
        return self.target.receiver.name

    @property
    def tenant(self) -> str:
        return self.target.receiver.tenant


class Sender:
    """Sends what is in an outbox to its receivers; one a process, each receiver's line used by one thread at a time."""

    def __init__(
        self,
        outbox: OutboxPort,
        targets: Sequence[Target],
        params: NotifyParams | None = None,
        *,
        rng: Random | None = None,
        transport: Callable[[Target], Transport] = HttpTransport,
    ) -> None:
        self._outbox = outbox
        self._params = params or NotifyParams()
        # chance that keeps many senders from coming back all at once; nothing is kept secret by it
        self._rng = rng or Random()  # noqa: S311
        self._lines = {t.receiver.name: _Line(t, transport(t)) for t in targets}
        self._receivers = [t.receiver for t in targets]
        self._log = Log("notify")
        self._purged_us: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The receivers, in the order of the settings."""
        return tuple(self._lines)

    def start(self, now_us: int) -> None:
        """Take up what an earlier process has left; call it once, before the first run."""
        self._outbox.release()
        self._outbox.abandon(self.names, now_us)

    def run_once(self, now_us: int) -> int:
        """Send everything that is due at `now_us`; return how many messages were accepted."""
        self.route(now_us)
        return sum(self.run_receiver(name, now_us) for name in self._lines)

    def route(self, now_us: int) -> None:
        """Find out who wants to hear of what is new, and now and then delete what is old."""
        while self._outbox.route(lambda notice: receivers_of(self._receivers, notice), now_us):
            pass
        if self._purged_us is None or now_us - self._purged_us >= _PURGE_EVERY_US:
            self._purged_us = now_us
            params = self._params
            self._outbox.purge(now_us - params.keep_sent_days * _DAY_US, now_us - params.keep_dead_days * _DAY_US)

    def run_receiver(self, name: str, now_us: int) -> int:
        """Send what is due for one receiver; return how many messages were accepted."""
        line = self._lines[name]
        n_accepted = 0
        while line.breaker.allows(now_us):
            rows = self._outbox.claim(line.tenant, line.name, now_us, _LEASE_US)
            if not rows:
                break
            n, goes_on = self._tell(line, rows, now_us)
            n_accepted += n
            if not goes_on:
                break
        line.sent = replace(line.sent, is_open=line.breaker.is_open(now_us))
        return n_accepted

    def stats(self) -> dict[str, Sent]:
        """Return what has been done for each receiver."""
        return {name: line.sent for name, line in self._lines.items()}

    def close(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            line.transport.close()

    def _tell(self, line: _Line, rows: Sequence[OutboxRow], now_us: int) -> tuple[int, bool]:
        """Send what these rows come down to; return how many messages were accepted and whether to go on."""
        readable, unreadable = _readable(rows, now_us)
        told = self._outbox.told(line.tenant, line.name, _alert_ids(readable))
        found, waiting = self._now_or_later(line, changes(readable, told), now_us)
        if line.target.receiver.kind is ReceiverKind.ALERTMANAGER:
            found = self._refreshed(found)
        messages = MESSAGES[line.target.receiver.kind](line.target, found, told, self._params, now_us)
        sent = {row.id for message in messages for row in message.rows}
        silent = [row for change in found for row in change.rows if row.id not in sent]
        self._outbox.finish([*unreadable, *waiting, *(_outcome(row, State.MERGED, now_us) for row in silent)])
        n_accepted = 0
        for at, message in enumerate(messages):
            pause_us = line.rate.take(now_us)
            if not pause_us and self._send(line, message, now_us):
                n_accepted += 1
                continue
            rest = [row for other in messages[at + (not pause_us) :] for row in other.rows]
            self._outbox.finish([_later(row, now_us + pause_us) for row in rest])
            return n_accepted, False
        return n_accepted, bool(messages)

    def _refreshed(self, found: Sequence[Change]) -> list[Change]:
        """Let what is sent again say what is known by now, not what was known when it began."""
        still = [change.notice for change in found if change.says is Says.STILL]
        now = self._outbox.as_they_stand(still) if still else {}
        return [
            replace(each, notice=now.get(each.notice.alert_id, each.notice)) if each.says is Says.STILL else each
            for each in found
        ]

    def _now_or_later(self, line: _Line, found: Sequence[Change], now_us: int) -> tuple[list[Change], list[Outcome]]:
        """Part what is told now from the end of an alert that comes and goes, which is told after a longer quiet."""
        receiver = line.target.receiver
        if receiver.kind is ReceiverKind.ALERTMANAGER:
            return list(found), []
        now: list[Change] = []
        later: list[Outcome] = []
        for change in found:
            until_us = change.notice.at_us + self._params.flap_hold_s * _US
            is_flapping = change.told is not None and change.told.why == FIRES_AGAIN
            if change.says is Says.OVER and not receiver.send_resolved:
                later += [_outcome(row, State.MERGED, now_us) for row in change.rows]
            elif change.says is Says.OVER and is_flapping and now_us < until_us:
                later += [_later(row, until_us) for row in change.rows]
            else:
                now.append(change)
        return now, later

    def _send(self, line: _Line, message: Message, now_us: int) -> bool:
        """Send one message and write down what became of its rows; False where the receiver had better be left."""
        answer = line.transport.send(message.request)
        if answer.is_ok:
            line.breaker.succeeded()
            line.sent = replace(line.sent, messages=line.sent.messages + 1)
            self._outbox.finish(self._delivered(message, now_us))
            self._log.info("notify_sent", receiver=line.name, changes=len(message.rows), status=answer.status)
            return True
        line.sent = replace(line.sent, failures=line.sent.failures + 1)
        if answer.is_refusal:
            # the receiver is well, the message is not
            if message.parts:
                return self._send_parts(line, message.parts, now_us)
            line.breaker.succeeded()
            self._bury(line, message.rows, answer.error, now_us)
            return True
        self._failed(line, message, answer, now_us)
        return False

    def _send_parts(self, line: _Line, parts: Sequence[Message], now_us: int) -> bool:
        for at, part in enumerate(parts):
            if not self._send(line, part, now_us):
                self._outbox.finish([_later(row, now_us) for rest in parts[at + 1 :] for row in rest.rows])
                return False
        return True

    def _delivered(self, message: Message, now_us: int) -> list[Outcome]:
        last = {row.alert_id: row.id for row in message.rows}
        resend_us = now_us + self._params.resend_s * _US
        return [
            _outcome(row, State.HELD, resend_us)
            if row.id in message.held
            else _outcome(row, State.SENT if row.id == last[row.alert_id] else State.MERGED, now_us)
            for row in message.rows
        ]

    def _failed(self, line: _Line, message: Message, answer: Answer, now_us: int) -> None:
        pause_us = wait_us(line.breaker.failures + 1, self._params, self._rng)
        if answer.retry_after_s is not None:
            pause_us = max(pause_us, round(answer.retry_after_s * _US))
        line.breaker.failed(now_us, pause_us, self._params)
        self._log.warning(
            "notify_failed",
            receiver=line.name,
            error=answer.error,
            failures=line.breaker.failures,
            again_in_s=round(pause_us / _US, 1),
        )
        given_up = [row for row in message.rows if self._is_hopeless(line, row, now_us)]
        if given_up:
            self._bury(line, given_up, answer.error, now_us)
        self._outbox.finish(
            [
                replace(
                    _later(row, now_us + pause_us), attempts=row.attempts + 1, last_error=answer.error[:_ERROR_CHARS]
                )
                for row in message.rows
                if row not in given_up
            ]
        )

    def _is_hopeless(self, line: _Line, row: OutboxRow, now_us: int) -> bool:
        if row.state in (State.HELD, State.RESENDING):
            return False
        give_up_us = self._params.give_up_s * _US
        since_us = line.breaker.failing_since_us
        is_late = since_us is not None and now_us - max(since_us, row.created_us) >= give_up_us
        return is_late or row.attempts + 1 >= self._params.max_attempts

    def _bury(self, line: _Line, rows: Sequence[OutboxRow], error: str, now_us: int) -> None:
        line.sent = replace(line.sent, dead=line.sent.dead + len(rows))
        self._outbox.finish(
            [replace(_outcome(row, State.DEAD, now_us), last_error=error[:_ERROR_CHARS]) for row in rows]
        )
        self._log.error("notify_given_up", receiver=line.name, changes=len(rows), error=error)


def _readable(rows: Sequence[OutboxRow], now_us: int) -> tuple[list[OutboxRow], list[Outcome]]:
    """Part rows that this release can read from those that it gives up."""
    good: list[OutboxRow] = []
    bad: list[Outcome] = []
    for row in rows:
        try:
            row.notice  # noqa: B018 - read for its error
        except ValueError as exc:
            bad.append(replace(_outcome(row, State.DEAD, now_us), last_error=str(exc)[:_ERROR_CHARS]))
        else:
            good.append(row)
    return good, bad


def _alert_ids(rows: Sequence[OutboxRow]) -> list[str]:
    ids = {row.alert_id for row in rows}
    for row in rows:
        incident = row.notice.incident
        ids |= set() if incident is None else set(incident.alert_ids)
    return sorted(ids)


def _outcome(row: OutboxRow, state: State, next_us: int) -> Outcome:
    return Outcome(row.tenant, row.id, state, row.attempts, next_us, row.last_error)


def _later(row: OutboxRow, next_us: int) -> Outcome:
    """Return the outcome of a row that waits on, as what it was."""
    is_held = row.state in (State.HELD, State.RESENDING)
    return _outcome(row, State.HELD if is_held else State.PENDING, next_us)
