"""Receivers as they are configured: where alerts go, which of them, and which secrets that needs.

An address comes from the configuration file only, a secret from the environment variable that the file names. This
module sends nothing and must not read the environment itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from fm_anomaly.core.alert_values import AlertSeverity
from fm_anomaly.core.notices import Notice, Novelty
from fm_anomaly.errors import ConfigError


class ReceiverKind(StrEnum):
    """What speaks at the other end."""

    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"
    SLACK = "slack"


DEFAULT_NOVELTIES = (Novelty.NEW, Novelty.REGRESSED, Novelty.ESCALATING)


@dataclass(frozen=True, slots=True)
class Receiver:
    """One `[receivers.NAME]` of the settings file."""

    name: str
    kind: ReceiverKind
    url: str = ""
    """alertmanager: its root, such as http://127.0.0.1:9093; else where to post."""
    url_env: str = ""
    """Environment variable that holds the address, where the address is a secret (Slack)."""
    tenant: str = "default"
    """Whose alerts; those of one tenant only."""
    min_severity: AlertSeverity = AlertSeverity.MEDIUM
    services: tuple[str, ...] = ()
    """Names, or patterns with * and ?; none: all."""
    notify: tuple[Novelty, ...] = DEFAULT_NOVELTIES
    """What is worth a message."""
    send_resolved: bool = True
    """False: no message says that an alert is over. An Alertmanager is always told."""
    token_env: str = ""
    """Environment variable with a bearer token."""
    basic_env: str = ""
    """Environment variable with ``user:password`` for basic authentication."""
    secret_env: str = ""
    """webhook: environment variable with the key of the signature."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """alertmanager: further labels of every alert."""
    ca_file: str = ""
    """Certificates to trust instead of the public ones."""
    timeout_s: float = 10.0
    max_per_minute: int = 0
    """Most requests a minute; 0: 20, and 600 for alertmanager."""

    @property
    def rate(self) -> int:
        """Most requests a minute."""
        return self.max_per_minute or (600 if self.kind is ReceiverKind.ALERTMANAGER else 20)


@dataclass(frozen=True, slots=True)
class NotifyParams:
    """Settings of sending, `[notify]` of the settings file."""

    base_url: str = ""
    """Where people reach this service; messages link to it. Empty: the address that `serve` listens on."""
    resend_s: int = 60
    """Firing alerts are sent to an Alertmanager again so often; they end there by themselves after four times that,
    five minutes at least."""
    flap_hold_s: int = 1_800
    """An alert that came back once is told as over only after so long."""
    retry_s: float = 2.0
    """First wait after a failure; doubled each time, with jitter."""
    retry_max_s: float = 300.0
    breaker_failures: int = 5
    """Failures in a row after which a receiver is left alone for a while."""
    give_up_s: int = 86_400
    """What could not be told for so long, the receiver failing all the while, becomes a dead letter."""
    max_attempts: int = 300
    """As many tries of one message make a dead letter even where others get through."""
    keep_sent_days: int = 7
    keep_dead_days: int = 30

    @property
    def ends_after_s(self) -> int:
        """How far ahead of now an Alertmanager's endsAt is set."""
        return max(4 * self.resend_s, 300)


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver with its address and secrets: what requests are made from."""

    receiver: Receiver
    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    basic: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, the longest first."""
        found = [self.token, self.basic, self.secret, self.url if self.receiver.url_env else ""]
        return tuple(sorted(filter(None, found), key=len, reverse=True))


def target(receiver: Receiver, environ: Mapping[str, str]) -> Target:
    """Return the receiver with what the environment holds for it.

    Raises ConfigError where a variable is not set, or the address is none.
    """
    where = f"receivers.{receiver.name}"
    if bool(receiver.url) == bool(receiver.url_env):
        raise ConfigError(f"{where} needs one of url and url_env")
    url = receiver.url or _secret(where, "url_env", receiver.url_env, environ)
    _check_url(where, url)
    return Target(
        receiver,
        url.rstrip("/") if receiver.kind is ReceiverKind.ALERTMANAGER else url,
        token=_secret(where, "token_env", receiver.token_env, environ),
        basic=_secret(where, "basic_env", receiver.basic_env, environ),
        secret=_secret(where, "secret_env", receiver.secret_env, environ),
    )


def wants(receiver: Receiver, notice: Notice) -> bool:
    """Tell whether a receiver wants to hear of a change."""
    if notice.tenant != receiver.tenant or notice.severity.rank < receiver.min_severity.rank:
        return False
    if receiver.services and not any(fnmatchcase(notice.service, pattern) for pattern in receiver.services):
        return False
    # an end is always worth knowing, and be it that what waits need not be told as firing any more
    return not notice.is_firing or notice.novelty in receiver.notify


def receivers_of(receivers: Sequence[Receiver], notice: Notice) -> list[str]:
    """Return the names of those that want to hear of a change, in their order."""
    return [receiver.name for receiver in receivers if wants(receiver, notice)]


def _secret(where: str, key: str, variable: str, environ: Mapping[str, str]) -> str:
    if not variable:
        return ""
    value = environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"{where}.{key} names the environment variable {variable}, which is not set; set it")
    return value


def _check_url(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or any(ord(char) <= 32 for char in url):
        raise ConfigError(f"{where}: the address is no http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"{where}: the address holds a password; put user:password into a variable, basic_env names it"
        )
