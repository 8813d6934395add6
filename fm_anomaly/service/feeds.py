"""What the service listens for and fetches by itself, beside HTTP: syslog and followed files, opened and closed as one.

It must not know HTTP, nor what becomes of batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from fm_anomaly.ingest.clock import Clock
from fm_anomaly.service.following import Following, FollowParams, check_paths
from fm_anomaly.service.running import Service
from fm_anomaly.service.syslog_listeners import SyslogListeners, SyslogParams, check_addresses, listen


@dataclass(frozen=True, slots=True)
class FeedParams:
    """What is listened for and followed; nothing by default."""

    syslog: SyslogParams = field(default_factory=SyslogParams)
    follow: FollowParams = field(default_factory=FollowParams)

    def check(self) -> None:
        """Raise UsageError for what can be told before anything is opened."""
        check_addresses(self.syslog)
        check_paths(self.follow.paths)


class Feeds:
    """The open feeds of one tenant."""

    def __init__(self, service: Service, tenant: str, params: FeedParams, clock: Clock | None = None) -> None:
        self.syslog: SyslogListeners | None = None
        self._service = service
        self._tenant = tenant
        self._params = params
        self._clock = clock
        self._following: Following | None = None

    async def start(self) -> None:
        """Open them. Raises UsageError where an address cannot be bound."""
        if self._params.syslog.udp or self._params.syslog.tcp:
            self.syslog = await listen(self._service, self._tenant, self._params.syslog, self._clock)
        if self._params.follow.paths:
            self._following = Following(self._service, self._tenant, self._params.follow)

    async def close(self) -> None:
        """Close them; what syslog has received is handed in."""
        if self._following is not None:
            await self._following.close()
        if self.syslog is not None:
            await self.syslog.close()

    def warnings(self) -> Mapping[str, str]:
        """Return how each feed stands: "ok", or what is wrong with it."""
        found: dict[str, str] = {}
        if self.syslog is not None:
            for name, is_up in self.syslog.up().items():
                found[name] = "ok" if is_up else "the socket is closed"
        if self._following is not None:
            said = self._following.troubles()
            told = f"{len(said)} of {self._following.n_files} files cannot be read; the log says which and why"
            found["follow"] = told if said else "ok"
        return found

    def figures(self) -> Mapping[str, float]:
        """Return counters and gauges, for /metrics."""
        found: dict[str, float] = {}
        if self.syslog is not None:
            found["listeners"] = len(up := self.syslog.up())
            found["listeners_up"] = sum(up.values())
            for name, n in asdict(self.syslog.counts).items():
                found[f"syslog_{name}" if name == "connections" else f"syslog_{name}_total"] = n
        if self._following is not None:
            found["followed_bytes_total"] = self._following.n_bytes
            found["followed_files"] = self._following.n_files
            found["followed_files_unreadable"] = len(self._following.troubles())
        return found
