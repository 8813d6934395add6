"""The exceptions that fm_anomaly raises, drawn as one tree.

    FmAnomalyError
    ├── UsageError          what was asked for cannot be done as asked (exit code 2)
    │   ├── ConfigError     a setting is unknown or has a value that cannot be used
    │   └── SourceError     an input cannot be opened or read
    ├── SnapshotError       a snapshot cannot be read: wrong magic, version or checksum
    ├── ModelError          a model under models/ cannot be loaded
    └── StoreError          the store refused a read or a write

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
