"""The command line: parse arguments, call, print; one module a command group.

`main` is the console script. This module and those it imports at the top load argparse and nothing heavy, so
that `--help` answers at once (0.07 s; typer with rich took 0.3 s): Polars and the core come with the command.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from fm_anomaly.cli import (
    audit,
    backfill,
    backtest,
    categories,
    categorize,
    config,
    diff,
    doctor,
    erase,
    evaluate,
    keys,
    lines,
    models,
    notify,
    parse,
    scan,
    score,
    serve,
    templates,
    watch,
)
from fm_anomaly.cli.console import print_error, survive_any_encoding
from fm_anomaly.cli.options import EXIT_OK, EXIT_USAGE, HelpFormatter, Parser
from fm_anomaly.errors import FmAnomalyError

_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS}
_GROUPS = (
    *(scan, diff, watch, templates, lines, parse, doctor, backtest, backfill),
    *(evaluate, score, config, serve, keys, audit, erase, notify, categorize, categories, models),
)
_DESCRIPTION = "Tells what is going wrong from logs: reads what you have, needs no configuration."
_EXAMPLES = """\
the first five minutes:
  fm-anomaly demo                          scan the log that comes with it
  fm-anomaly scan app.log                  what went wrong in there?
  fm-anomaly diff good.log bad.log         what is new in the second one?
  fm-anomaly watch -- docker logs -f api   say it while it happens
  fm-anomaly doctor app.log                what is received, and how well?
  fm-anomaly backtest app.log              would it have fired, and how often?

exit codes: 0 done, 2 usage error, 3 findings at or above --fail-on
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv
        The arguments; those of the process by default.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by the caller (`>&-`)
        if sys.stderr is not None:
            print_error("standard output is closed; redirect it to a file, or to /dev/null")
        return EXIT_USAGE
    survive_any_encoding()
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except FmAnomalyError as exc:
        print_error(str(exc))
        return EXIT_USAGE
    except BrokenPipeError:
        _write_no_more()
        return EXIT_OK
    except OSError as exc:
        _write_no_more()
        print_error(_unwritten(exc))
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130


def _run(argv: list[str]) -> int:
    words, child = _split(argv)
    parser = make_parser()
    args = parser.parse_args(words)
    args.child = child
    if args.run is None:
        parser.print_help()
        return EXIT_OK
    code: int = args.run(args)
    return code


def _write_no_more() -> None:
    """Send what is still to be written nowhere: the reader has gone (`| head`), or the disk is full.

    Nothing more can be said on stdout, and the interpreter must not try at exit.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unwritten(exc: OSError) -> str:
    reason = (exc.strerror or str(exc)).lower()
    if exc.filename is not None:
        return f"{os.fsdecode(exc.filename) if isinstance(exc.filename, bytes) else exc.filename}: {reason}"
    if exc.errno in _OUTPUT_ERRORS:
        return f"cannot write the output: {reason}; make room, or write it elsewhere"
    return reason


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(prog="fm-anomaly", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=HelpFormatter)
    parser.add_argument("--version", action="version", version=_version())
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for group in _GROUPS:
        group.add(commands)
    return parser


def _split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Part `watch … -- CMD`: what comes after the first -- belongs to the child, None where there is none."""
    if words[:1] == ["watch"] and "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, None


def _version() -> str:
    import fm_anomaly

    return f"fm-anomaly {fm_anomaly.__version__}"
