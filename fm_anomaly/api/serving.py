"""Runs service and application under uvicorn: opens, starts, listens, and ends in the reverse order.

Closed by default: an address that others can reach needs a token, or the word that it may be open.
"""

from __future__ import annotations

import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from fm_anomaly.api.access import AccessParams
from fm_anomaly.api.application import create_app
from fm_anomaly.api.connections import PatientProtocol
from fm_anomaly.api.conventions import is_loopback, is_loopback_host_header
from fm_anomaly.core.quotas import Quotas
from fm_anomaly.errors import UsageError
from fm_anomaly.logs import Levels, Log
from fm_anomaly.service.auditing import keeping_audit
from fm_anomaly.service.category_runs import CategoryRunParams, CategoryRuns
from fm_anomaly.service.collecting import collecting
from fm_anomaly.service.feeds import FeedParams, Feeds
from fm_anomaly.service.holding import alone_in
from fm_anomaly.service.notifying import NotifyingParams, notifying
from fm_anomaly.service.running import Service, ServiceParams
from fm_anomaly.service.tidying import TidyingParams, tidying
from fm_anomaly.service.tracing import tracing
from fm_anomaly.storage import Store, default_path, open_store
from fm_anomaly.storage.keys import has_keys

_DRAIN_S = 10
_MAX_HEAD_BYTES = 64 << 10
_SWITCH_S = 0.001
"""How long the worker may keep the interpreter from who answers requests; the default is five times that."""
_DEBUG_S = 900.0
_LOG = Log("service")


@dataclass(frozen=True, slots=True)
class ServeParams:
    """What `serve` needs to know. token: of `FM_ANOMALY_TOKEN`; db: a URL, None is SQLite in `data_dir`."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8010
    tenant: str = "default"
    db: str | None = None
    token: str | None = field(default=None, repr=False)
    allow_anonymous: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tenants: frozenset[str] = frozenset()
    """Those named in the settings, beside those that have a key."""
    quotas: Quotas = field(default_factory=Quotas)
    log_level: str = "info"
    has_traces: bool = False
    service: ServiceParams = field(default_factory=ServiceParams)
    feeds: FeedParams = field(default_factory=FeedParams)
    notify: NotifyingParams = field(default_factory=NotifyingParams)
    tidying: TidyingParams = field(default_factory=TidyingParams)
    categories: CategoryRunParams = field(default_factory=CategoryRunParams)


def serve(params: ServeParams, on_ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGINT or SIGTERM; what was taken is worked on and saved before this returns.

    `on_ready` is called with the address, once it listens. Raises UsageError where the address is open to others
    without a token, the port is taken or the folder is in use; StoreError where the store cannot be opened.
    """
    access = access_of(params)
    params.feeds.check()
    _check_tls(params)
    with (
        _listen(params.host, params.port) as listener,
        alone_in(params.data_dir),
        _opened(params) as store,
        notifying(store, _linked(params.notify, _address(listener, _scheme(params)))) as sender,
        tidying(store, params.tidying),
        tracing(is_on=params.has_traces) as span,
        _levels(params.log_level) as levels,
        keeping_audit(store, params.data_dir),
    ):
        service = Service(params.data_dir, store, params.service)
        runs = CategoryRuns(
            store,
            service.models,
            params.tenant,
            replace(params.categories, store=str(params.db or default_path(params.data_dir))),
            on_done=lambda tenant: service.labelling.look(),
        )
        feeds = Feeds(service, params.tenant, params.feeds)
        service.more_figures, service.more_warnings = feeds.figures, feeds.warnings
        service.worker.span = span
        app = create_app(store, params.tenant, intake=service, access=access, span=span)
        app.state.log_levels = levels
        app.state.service_stats, app.state.sender_stats = service, sender
        app.state.categories, app.state.category_runs = service.labelling, runs
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_DRAIN_S,
            limit_concurrency=1_000,
            http=PatientProtocol,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            ssl_certfile=params.tls_cert,
            ssl_keyfile=params.tls_key,
        )
        sys.setswitchinterval(_SWITCH_S)
        with collecting():
            service.start()
            runs.start()
            try:
                on_ready(_address(listener, _scheme(params)))
                _Server(config, feeds).run(sockets=[listener])
            finally:
                _LOG.info("service_stopping")
                runs.stop()
                service.stop()
                _LOG.info("service_stopped")


class _Server(uvicorn.Server):
    """Opens and closes the feeds with itself.

    uvicorn raises the signal again once it has ended; here the service ends after it, undisturbed.
    """

    def __init__(self, config: uvicorn.Config, feeds: Feeds) -> None:
        super().__init__(config)
        self._feeds = feeds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._feeds.start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self._feeds.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number in before:
                signal.signal(number, signal.SIG_IGN if self.should_exit else before[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        if isinstance(self.config.app, FastAPI):
            self.config.app.state.feed.close()
        self.handle_exit(number, frame)


def access_of(params: ServeParams) -> AccessParams:
    """Return who may ask. Raises UsageError where others could and nothing was said about them."""
    if not _is_opened_by_word(params) and params.db is None and not default_path(params.data_dir).exists():
        raise _open_to_others(params)
    is_host_allowed = is_loopback_host_header if is_loopback(params.host) else None
    return AccessParams(params.token, params.tenant, is_host_allowed, params.tenants, params.quotas)


def _is_opened_by_word(params: ServeParams) -> bool:
    return is_loopback(params.host) or params.token is not None or params.allow_anonymous


def _open_to_others(params: ServeParams) -> UsageError:
    return UsageError(
        f"{params.host!r} is no loopback address: others could read your alerts and send logs. Make a key "
        "(fm-anomaly keys create), or set FM_ANOMALY_TOKEN (openssl rand -hex 32), or say --allow-anonymous"
    )


@contextmanager
def _opened(params: ServeParams) -> Iterator[Store]:
    """Open the store; refuse where others could ask it without a key."""
    with open_store(params.db or default_path(params.data_dir)) as store:
        if not _is_opened_by_word(params) and not has_keys(store):
            raise _open_to_others(params)
        yield store


@contextmanager
def _levels(usual: str) -> Iterator[Levels]:
    """Let SIGUSR1 turn DEBUG on for a while, and off again."""
    levels = Levels(usual)

    def toggle(number: int, frame: FrameType | None) -> None:
        levels.toggle(_DEBUG_S)
        _LOG.warning("log_level_changed", level=levels.level, minutes=_DEBUG_S / 60, actor="SIGUSR1")

    before = signal.signal(signal.SIGUSR1, toggle)
    try:
        yield levels
    finally:
        levels.end()
        signal.signal(signal.SIGUSR1, before)


def _scheme(params: ServeParams) -> str:
    return "https" if params.tls_cert else "http"


def _linked(params: NotifyingParams, address: str) -> NotifyingParams:
    """Let messages link to the address that is listened on, where no other is set; of all addresses to the host's name.

    >>> _linked(NotifyingParams(), "http://127.0.0.1:8010").sending.base_url
    'http://127.0.0.1:8010'
    """
    sending = params.sending
    for every in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(every, f"//{socket.gethostname()}:")
    return params if sending.base_url else replace(params, sending=replace(sending, base_url=address))


def _address(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _check_tls(params: ServeParams) -> None:
    """Raise UsageError where certificate and key cannot be used, before anything is opened."""
    cert, key = params.tls_cert, params.tls_key
    if (cert is None) != (key is None):
        raise UsageError("TLS needs both: --tls-cert FILE and --tls-key FILE")
    if cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise UsageError(
            f"TLS certificate {cert} with key {key} cannot be used: {reason}; give a certificate chain and its "
            "unencrypted key as PEM files"
        ) from exc


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host` and `port`. Bound here, so that a taken port is one clear sentence."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as exc:
        raise UsageError(f"cannot listen on {host} port {port}: {exc}; choose another --port") from exc
