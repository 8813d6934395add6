"""`keys`: API keys of a service's store: make, list, rotate, revoke."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fm_anomaly.api.clock import now_us
from fm_anomaly.cli.options import EXIT_OK, Parser, action, command, no_action

if TYPE_CHECKING:
    from fm_anomaly.cli.options import Commands
    from fm_anomaly.storage import Store
    from fm_anomaly.storage.keys import ApiKey

_DAY_S = 86_400
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": _DAY_S}
_EXAMPLES = """\
  fm-anomaly keys create --name vector --scope ingest
  fm-anomaly keys create --name grafana --scope read --expires 90d
  fm-anomaly keys create --name prometheus --scope read --any-tenant
  fm-anomaly keys list
  fm-anomaly keys rotate fma_k5xq2r7a --overlap 7d
  fm-anomaly keys revoke fma_k5xq2r7a

scopes: ingest (logs in), read (alerts, metrics, the page), operate (read, and what people change), admin (all, and keys
and the audit). Once there is a key, every request needs one; a running service knows of a change within 5 seconds.
"""


def add(commands: Commands) -> None:
    """Add `keys create | list | rotate | revoke`."""
    parser = command(commands, "keys", no_action, "API keys: make, list, rotate, revoke", _EXAMPLES)
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    create = action(actions, "create", run_create, "make a key; its secret is printed once")
    create.add_argument("--name", metavar="TEXT", required=True, help="who uses it")
    create.add_argument(
        "--scope", metavar="SCOPE", action="append", required=True, help="ingest, read, operate or admin; repeatable"
    )
    create.add_argument("--expires", metavar="TIME", help="after this time: 12h, 90d (default: never)")
    create.add_argument("--tenant", metavar="NAME", help="whose logs it opens (default: that of the settings)")
    create.add_argument("--any-tenant", action="store_true", help="it chooses its tenant by the header X-Tenant-ID")
    listing = action(actions, "list", run_list, "list the keys, without their secrets")
    listing.add_argument("--tenant", metavar="NAME", help="only those of this tenant")
    rotate = action(actions, "rotate", run_rotate, "make a key in the place of another, which goes on for a while")
    rotate.add_argument("key_id", metavar="KEY", help="the beginning of the secret, from `keys list`")
    rotate.add_argument("--overlap", metavar="TIME", default="24h", help="how long the old one goes on (default: 24h)")
    revoke = action(actions, "revoke", run_revoke, "end a key")
    revoke.add_argument("key_id", metavar="KEY", help="the beginning of the secret, from `keys list`")
    for each in (create, listing, rotate, revoke):
        each.add_argument(
            "--data", metavar="DIR", default="fm_anomaly_data", help="folder of `serve` (default: fm_anomaly_data)"
        )
        each.add_argument("--db", metavar="URL", help="the store elsewhere, as for `serve`")
        each.add_argument("--config", metavar="FILE", help="settings (default: fm_anomaly.toml here, if there is one)")


def run_create(args: argparse.Namespace) -> int:
    """Make a key and print its secret."""
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.config import load_settings
    from fm_anomaly.errors import UsageError
    from fm_anomaly.storage.keys import ANY, create_key, has_keys, scopes_of

    if args.any_tenant and args.tenant is not None:
        raise UsageError("give --tenant or --any-tenant")
    tenant = ANY if args.any_tenant else str(load_settings(args.config, options={"tenant": args.tenant})["tenant"])
    scopes, lives_s = scopes_of(args.scope), seconds(args.expires) if args.expires else None
    with open_existing(args, may_make=True) as store:
        is_first = not has_keys(store)
        now = now_us()
        expires_us = None if lives_s is None else now + lives_s * 1_000_000
        made, secret = create_key(store, tenant, args.name, scopes, by=who(), now_us=now, expires_us=expires_us)
        _keep_head(args, store)
    _print_secret(made, secret)
    if is_first:
        print_notice("it is the first key: from now on every request to this service needs one")
    return EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """Print one line a key."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.core.display import terminal
    from fm_anomaly.storage.keys import ANY, keys_of

    with open_existing(args) as store:
        found = keys_of(store, None if args.tenant is None else [args.tenant, ANY])
    now = now_us()
    for key in found:
        tenant = "any tenant" if key.tenant == ANY else key.tenant
        print_plain(f"{key.key_id}  {tenant:<12} {_scopes(key):<20} {_life(key, now):<28} {terminal(key.name)}")
    if not found:
        print_plain("no keys: on the loopback address none is needed; fm-anomaly keys create makes one")
    return EXIT_OK


def run_rotate(args: argparse.Namespace) -> int:
    """Make a key in another's place."""
    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.storage.keys import rotate_key
    from fm_anomaly.storage.timestamps import to_iso

    overlap_us = seconds(args.overlap) * 1_000_000
    with open_existing(args) as store:
        old = _the_key(store, args.key_id)
        made, secret, ends_us = rotate_key(
            store, old.tenant, old.key_id, by=who(), now_us=now_us(), overlap_us=overlap_us
        )
        _keep_head(args, store)
    _print_secret(made, secret)
    print_notice(f"{old.key_id} goes on until {to_iso(ends_us // 1_000_000 * 1_000_000)}")
    return EXIT_OK


def run_revoke(args: argparse.Namespace) -> int:
    """End a key."""
    from fm_anomaly.cli.console import print_plain
    from fm_anomaly.storage.keys import revoke_key

    with open_existing(args) as store:
        old = _the_key(store, args.key_id)
        revoke_key(store, old.tenant, old.key_id, by=who(), now_us=now_us())
        _keep_head(args, store)
    print_plain(f"{old.key_id} is revoked; a running service refuses it within 5 seconds")
    return EXIT_OK


def seconds(text: str) -> int:
    """Return a length of time such as ``12h`` or ``90d`` in seconds. Raises UsageError.

    >>> seconds("90d"), seconds("0s")
    (7776000, 0)
    """
    from fm_anomaly.errors import UsageError

    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit()) or unit not in _UNITS or int(number) * _UNITS[unit] > 3_660 * _DAY_S:
        raise UsageError(f"{text!r} is no length of time: write 30m, 12h or 90d, at most 3660d")
    return int(number) * _UNITS[unit]


def _print_secret(key: ApiKey, secret: str) -> None:
    from fm_anomaly.cli.console import print_notice, print_plain

    # the secret alone on stdout, so that it can be taken by a script and stands in no terminal's title or log
    print_notice(f"key {key.key_id} ({_scopes(key)}); its secret is shown now and never again:")
    print_plain(secret)


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.scopes))


def _life(key: ApiKey, now_us: int) -> str:
    from fm_anomaly.storage.timestamps import to_iso

    def day(us: int) -> str:
        return to_iso(us // 1_000_000 * 1_000_000)

    if key.revoked_us is not None:
        return f"revoked {day(key.revoked_us)}"
    if key.expires_us is None:
        return "does not expire"
    return f"{'expires' if key.is_live(now_us) else 'expired'} {day(key.expires_us)}"


def _the_key(store: Store, key_id: str) -> ApiKey:
    from fm_anomaly.errors import UsageError
    from fm_anomaly.storage.keys import find_key

    found = find_key(store, key_id)
    if found is None:
        raise UsageError(f"there is no key {key_id!r}: see fm-anomaly keys list")
    return found


def open_existing(args: argparse.Namespace, *, may_make: bool = False) -> Store:
    """Return the store that the options name. Raises UsageError where there is none."""
    from pathlib import Path

    from fm_anomaly.errors import UsageError
    from fm_anomaly.storage import default_path, open_store

    path = default_path(Path(args.data))
    if args.db is None and not may_make and not path.exists():
        raise UsageError(f"there is no store in {args.data}: give --data the folder of `serve`, or --db its URL")
    if args.db is None and may_make:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open_store(args.db or path)


def _keep_head(args: argparse.Namespace, store: Store) -> None:
    """Bring the audit's second place up to the store; a service elsewhere does it itself."""
    from pathlib import Path

    from fm_anomaly.cli.console import print_notice
    from fm_anomaly.errors import AuditError, ModelError
    from fm_anomaly.storage.audit_head import FILE_NAME, keep
    from fm_anomaly.storage.installation_key import default_key_file, make_key

    if Path(args.data).is_dir():
        try:
            keep(store, Path(args.data) / FILE_NAME, make_key(default_key_file()))
        except (AuditError, ModelError) as exc:
            print_notice(str(exc))


def who() -> str:
    """Return who acts on the command line: the user of the operating system."""
    import getpass

    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
