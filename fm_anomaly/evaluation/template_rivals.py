"""Rivals of our templates, for comparison only: Drain3 with its defaults, and with its usual masks.

The masks are those of the example configuration that ships with Drain3 (`examples/drain3.ini`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_LEFT, _RIGHT = r"((?<=[^A-Za-z0-9])|^)", r"((?=[^A-Za-z0-9])|$)"
DRAIN3_MASKS: tuple[tuple[str, str], ...] = (
    (rf"{_LEFT}(([0-9a-f]{{2,}}:){{3,}}([0-9a-f]{{2,}})){_RIGHT}", "ID"),
    (rf"{_LEFT}(\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}){_RIGHT}", "IP"),
    (rf"{_LEFT}([0-9a-f]{{6,}} ?){{3,}}{_RIGHT}", "SEQ"),
    (rf"{_LEFT}([0-9A-F]{{4}} ?){{4,}}{_RIGHT}", "SEQ"),
    (rf"{_LEFT}(0x[a-f0-9A-F]+){_RIGHT}", "HEX"),
    (rf"{_LEFT}([\-\+]?\d+){_RIGHT}", "NUM"),
    (r'(?<=executed cmd )(".+?")', "CMD"),
)
_COMPILED = [(re.compile(pattern), f"<:{name}:>") for pattern, name in DRAIN3_MASKS]


def masked_texts(contents: list[str]) -> list[str]:
    """Return the lines with Drain3's usual masks applied."""
    out = []
    for text in contents:
        for pattern, name in _COMPILED:
            text = pattern.sub(name, text)
        out.append(text)
    return out


def drain3_labels(contents: list[str]) -> list[int]:
    """Return the cluster of each line by Drain3 with its defaults: similarity .4, depth 4, no masks."""
    from drain3.drain import Drain

    drain = Drain()
    return [drain.add_log_message(text)[0].cluster_id for text in contents]


def drain3_masked_labels(contents: list[str], similarity: float, depth: int) -> list[int]:
    """Return the cluster of each line by Drain3 with its usual masks."""
    from drain3.drain import Drain

    drain = Drain(depth=depth, sim_th=similarity)
    return [drain.add_log_message(text)[0].cluster_id for text in masked_texts(contents)]


def drain3_miner(similarity: float = 0.4, depth: int = 4) -> Callable[[str], Any]:
    """Return the way users call Drain3: a template miner with its usual masks, one line at a time."""
    from drain3 import TemplateMiner
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig

    # A configuration object, for without one the miner reads drain3.ini from the working directory.
    config = TemplateMinerConfig()
    config.drain_sim_th, config.drain_depth = similarity, depth
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in DRAIN3_MASKS]
    add: Callable[[str], Any] = TemplateMiner(config=config).add_log_message
    return add
