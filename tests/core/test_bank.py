"""Contract of the bank of numeric series: causal, pure in what it stores, bounded, and equal after a restore."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from fm_anomaly.core.detectors.bank import BankParams, SeriesBank
from fm_anomaly.core.detectors.gaps import Gaps
from fm_anomaly.core.detectors.tails import ew_step, half_life_alpha

START_US = 1_772_409_600_000_000
MINUTE_US = 60_000_000


def feed(bank: SeriesBank, values: np.ndarray, first: int = 0, step_us: int = MINUTE_US) -> list[Any]:
    """Step the bank through columns of values; return decades and decisions of each step."""
    out = []
    for i in range(values.shape[1]):
        seen = bank.step(START_US + (first + i) * step_us, values[:, i])
        out.append((seen.decades.tolist(), seen.is_decision.tolist()))
    return out


def mixed(n: int, seed: int = 1) -> np.ndarray:
    """Return counts, a wave, zeros, a constant, one with gaps and one with negative values."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    wave = 40 + 15 * np.sin(t / 1440 * 2 * np.pi) + rng.normal(0, 2, n)
    gaps = np.where(rng.random(n) < 0.3, np.nan, wave)
    rows = (rng.poisson(20, n), wave, np.zeros(n), np.full(n, 7.5), gaps, rng.normal(0, 3, n))
    return np.stack([row.astype(np.float64) for row in rows])


def test_equal_after_a_restore_at_any_point() -> None:
    """A snapshot goes through msgpack, changes nothing, and what follows is the same bit for bit."""
    values = mixed(1700)
    whole = SeriesBank(len(values))
    expected = feed(whole, values)
    for cut in (7, 1441):
        bank = SeriesBank(len(values))
        head = feed(bank, values[:, :cut])
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(bank.snapshot()))
        assert bank.snapshot() == state
        assert head + feed(SeriesBank.restore(state), values[:, cut:], cut) == expected
    assert SeriesBank.restore(whole.snapshot()).snapshot() == whole.snapshot()


def test_a_series_is_judged_alone() -> None:
    """Alone or among others, with gaps of theirs or not: the same scores."""
    values = mixed(1600)
    together = feed(SeriesBank(len(values)), values)
    for row in (0, 1, 4, 5):
        alone = feed(SeriesBank(1), values[row : row + 1])
        for a, b in zip(alone, together, strict=True):
            assert a[0][0] == pytest.approx(b[0][row], rel=1e-9)
            assert a[1][0] == b[1][row]


def test_constants_and_zeros_are_quiet() -> None:
    """No series without change is ever improbable."""
    values = np.stack([np.zeros(1500), np.full(1500, 7.5), np.full(1500, 1e-9), np.full(1500, 1e12)])
    assert all(decisions == [False] * 4 for _, decisions in feed(SeriesBank(4), values))


def test_a_value_that_is_none_leaves_its_series_untouched() -> None:
    """NaN and infinities: no score, nothing learned."""
    bank = SeriesBank(1)
    feed(bank, mixed(300)[:1])
    before = bank.snapshot()
    for x in (np.nan, np.inf, -np.inf):
        seen = bank.step(START_US + 300 * MINUTE_US, np.array([x]))
        assert (seen.decades[0], bool(seen.is_decision[0])) == (0.0, False)
    assert bank.snapshot() == before


def test_the_state_is_bounded() -> None:
    """4 kB a series, after an hour as after weeks."""
    bank = SeriesBank(3)
    size = len(msgspec.msgpack.encode(bank.snapshot()))
    feed(bank, mixed(1500)[:3])
    assert bank.n_bytes <= 4_000
    assert abs(len(msgspec.msgpack.encode(bank.snapshot())) - size) < 100


def test_levels_are_rivers_moments_bit_for_bit() -> None:
    """A level without outliers is river's EWMean, the mean square of a tail river's EWVar of a mean of zero."""
    from river.stats import EWMean, EWVar

    rng = np.random.default_rng(5)
    alpha = half_life_alpha(100.0)
    mean, var, square = EWMean(alpha), EWVar(alpha), EWMean(alpha)
    level = second = 0.0
    for i, x in enumerate(rng.normal(10, 2, 500).tolist()):
        mean.update(x)
        var.update(x)
        square.update(x * x)
        level = x if i == 0 else ew_step(level, x, alpha)
        second = x * x if i == 0 else ew_step(second, x * x, alpha)
        assert level == mean.get()
        assert second == square.get()
        assert second - level * level == var.get()


def test_a_burst_a_drop_and_a_silence_are_found_at_once() -> None:
    """In a steady stream of 60 a minute, after two days: within a bucket, or five for half of it missing."""
    rng = np.random.default_rng(11)
    values = rng.poisson(60, (3, 3060)).astype(np.float64)
    for row, change in enumerate((10.0, 0.0, 0.4)):
        values[row, 3000:] = rng.poisson(60 * change, 60)
    found = np.array([decision for _, decision in feed(SeriesBank(3), values)])
    assert not found[1440:3000].any()
    for row, within in enumerate((0, 1, 5)):
        assert np.flatnonzero(found[3000:, row])[0] <= within


def test_a_job_of_every_night_is_learned() -> None:
    """It may be told in the first nights; after a few it never is."""
    rng = np.random.default_rng(12)
    n = 8 * 1440
    values = rng.poisson(5, n).astype(np.float64)
    for day in range(8):
        values[day * 1440 + 130 : day * 1440 + 135] += rng.poisson(400, 5)
    told = [i for i, (_, decision) in enumerate(feed(SeriesBank(1), values[None, :])) if decision[0]]
    assert len(told) <= 3
    assert all(i < 5 * 1440 for i in told)


def test_what_is_told_once_is_not_told_again_while_it_lasts() -> None:
    """A level that stays is one alert."""
    rng = np.random.default_rng(13)
    values = rng.poisson(30, 4 * 1440).astype(np.float64)
    values[3 * 1440 :] += 60
    told = [i for i, (_, decision) in enumerate(feed(SeriesBank(1), values[None, :])) if decision[0] and i > 1440]
    assert told == [3 * 1440]


def test_quiet_on_stationary_streams() -> None:
    """40 streams of 0.05 to 500 a minute over five days: at most 0.05 alerts a stream and day after the second."""
    rng = np.random.default_rng(1)
    rates = np.exp(np.linspace(np.log(0.05), np.log(500), 40))
    values = rng.poisson(rates[:, None], (40, 5 * 1440)).astype(np.float64)
    found = feed(SeriesBank(40), values)
    n = sum(sum(decisions) for _, decisions in found[2 * 1440 :])
    assert n / (40 * 3) <= 0.05


def test_more_false_alarms_allowed_find_smaller_things() -> None:
    """The one setting moves the limit by its logarithm."""
    assert SeriesBank(1, BankParams(false_alarms_per_series_day=0.5)).limit == pytest.approx(SeriesBank(1).limit - 1)


def test_a_missed_run_of_a_batch_is_told_and_an_hour_between_runs_is_not() -> None:
    """A gap is held against the longest ones before: an hourly run that does not come is told within half an hour."""
    x = np.zeros((2, 2 * 288))
    x[:, 3::12] = np.random.default_rng(4).poisson(120, (2, 48))
    missed = 3 + 12 * 40
    x[0, missed] = 0.0
    seen = feed(SeriesBank(2, BankParams(step_s=300.0)), x, step_us=5 * MINUTE_US)
    told = [[i for i, (_, is_told) in enumerate(seen) if is_told[row]] for row in (0, 1)]
    assert told[1] == []
    assert len(told[0]) == 1
    assert missed < told[0][0] <= missed + 6


def test_a_first_gap_is_no_anomaly() -> None:
    """Until eight gaps of a sort have been seen none is told: nobody knows how long the next may be."""
    gaps = Gaps(1, 1440.0)
    for gap in (1,) * 500 + (90,) * 7:
        for x in (0.0,) * (gap - 1) + (5.0,):
            gaps.learn(np.array([x]))
    for _ in range(400):
        assert gaps.shares(np.zeros(1))[0] == 0.0
        gaps.learn(np.zeros(1))
