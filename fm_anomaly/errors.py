"""The exceptions that fm_anomaly raises, drawn as one tree.

    FmAnomalyError
    ├── UsageError          what was asked for cannot be done as asked (exit code 2)
    │   ├── ConfigError     a setting is unknown or has a value that cannot be used
    │   └── SourceError     an input cannot be opened or read
    ├── SnapshotError       a snapshot cannot be read: wrong magic, version or checksum
    ├── ModelError          a model under models/ cannot be loaded
    ├── StoreError          the store refused a read or a write
    ├── AuditError          the audit is not what it was, or its second place cannot be read
    ├── DecodeError         a request of a wire protocol cannot be read (HTTP 400, 413 or 415)
    ├── BusyError           more comes than can be taken; come again later (HTTP 429)
    ├── DiskFullError       a batch could not be kept; nothing of it was taken (HTTP 507)
    └── ClientError         a service that was asked over HTTP refused, or did not answer

A message names the thing, the value and the next step. Bad *data* never raises:
it is counted and set aside (see `core.accounting`).
"""

from __future__ import annotations


class FmAnomalyError(Exception):
    """Base of everything this package raises on purpose."""


class UsageError(FmAnomalyError):
    """What was asked for cannot be done as asked; the message says what to change."""


class ConfigError(UsageError):
    """A setting is unknown, or its value cannot be used."""


class SourceError(UsageError):
    """An input cannot be opened or read."""


class SnapshotError(FmAnomalyError):
    """A snapshot cannot be read; the message says which check failed."""


class ModelError(FmAnomalyError):
    """A model under models/ cannot be loaded; the message says how to refit it."""


class StoreError(FmAnomalyError):
    """The store refused a read or a write."""


class AuditError(FmAnomalyError):
    """The audit is not what it was, or what remembers it cannot be read."""


class DecodeError(FmAnomalyError):
    """A request of a wire protocol cannot be read; nothing of it was taken. `status` is its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class BusyError(FmAnomalyError):
    """More comes than can be taken; the sender should come again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DiskFullError(FmAnomalyError):
    """A batch could not be written ahead; nothing of it was taken."""


class ClientError(FmAnomalyError):
    """A service that was asked over HTTP refused, or did not answer.

    `status` is its HTTP status, 0 where there was no answer; `correlation_id` finds the request in its logs.
    """

    def __init__(self, message: str, status: int = 0, correlation_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.correlation_id = correlation_id
