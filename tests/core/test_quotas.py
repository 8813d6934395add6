"""Laws of quotas: over any span no more than what may come at once and what flows in, and no one waits for another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.quotas import QuotaParams, Quotas


@given(gaps=st.lists(st.floats(0, 5), max_size=200), rate=st.floats(0.1, 50))
def test_no_more_requests_than_allowed(gaps: list[float], rate: float) -> None:
    """Ten seconds' worth at once, then the rate; whoever comes when told to is let in."""
    quotas, at_s, taken = Quotas(QuotaParams(requests_per_s=rate)), 0.0, 0
    for gap in gaps:
        at_s += gap
        wait_s = quotas.request("shop", at_s)
        if wait_s:
            assert 1 <= wait_s <= 3_600
        else:
            taken += 1
    assert taken <= math.ceil(max(1.0, 10 * rate) + rate * at_s) + 1
    assert quotas.request("shop", at_s + 3_600) == 0


def test_text_is_counted_by_its_size() -> None:
    """An hour's worth at once; a large one passes once and is waited out; the others go on."""
    quotas = Quotas(QuotaParams(log_mb_per_day=24), {"free": QuotaParams()})
    assert quotas.text("shop", 900_000, 0.0) == 0
    assert quotas.text("shop", 5_000_000, 0.0) == 0
    wait_s = quotas.text("shop", 1, 0.0)
    assert wait_s == 3_600
    assert quotas.text("other", 900_000, 0.0) == 0
    assert quotas.text("free", 10**12, 0.0) == quotas.text("free", 10**12, 0.0) == 0
    assert quotas.text("shop", 1, 86_400.0) == 0


def test_without_a_limit_nothing_is_kept() -> None:
    """The default."""
    quotas = Quotas()
    assert all(quotas.request(f"t{n}", 0.0) == 0 == quotas.text(f"t{n}", 10**9, 0.0) for n in range(100))
    assert not quotas._requests
    assert not quotas._bytes


@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_a_limit_is_a_number(value: float) -> None:
    """Not below zero, and finite."""
    with pytest.raises(ValueError, match="requests_per_s"):
        QuotaParams(requests_per_s=value)
