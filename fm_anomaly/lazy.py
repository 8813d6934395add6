"""Names of a package that are imported when they are first used, so that the package alone costs nothing.

It must not know which package, nor what the names are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazily(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """Return the `__getattr__` (PEP 562) of `package`, whose names stand in other modules: module → names.

    Raises AttributeError for a name that is none of them, as a module does.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def found(name: str) -> object:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    return found
