"""Laws of batch ids: what was added is known until it is old or too many; a snapshot knows what the log knew then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import Snapshot
from fm_anomaly.service.batch_ids import BatchIdParams, BatchIds

SMALL = BatchIdParams(remember_s=100, max_ids=40, generation_s=10, generation_ids=10)


@given(steps=st.lists(st.tuples(st.integers(0, 7 * US_PER_S), st.sampled_from("ab")), max_size=120))
def test_ids_are_known_as_long_as_was_promised(steps: list[tuple[int, str]]) -> None:
    """The newest 40, if not older than 100 s, are known with their numbers, and hardly more are held."""
    ids, at_us = BatchIds(SMALL), 0
    added: list[tuple[str, str, int, int]] = []
    for seq, (wait_us, tenant) in enumerate(steps, 1):
        at_us += wait_us
        ids.add(tenant, f"id{seq}", seq, at_us)
        added.append((tenant, f"id{seq}", seq, at_us))
    for tenant, batch_id, seq, added_us in added[-SMALL.max_ids :]:
        if added_us > at_us - SMALL.remember_s * US_PER_S:
            assert ids.seq_of(tenant, batch_id) == seq
    assert len(ids) <= SMALL.max_ids + SMALL.generation_ids
    assert ids.seq_of("a", "never") is None


@given(n=st.integers(0, 60), upto=st.integers(0, 60))
def test_a_snapshot_holds_the_ids_up_to_its_position(n: int, upto: int) -> None:
    """Ids of entries behind the position are not in it: the replay brings them."""
    ids = BatchIds(BatchIdParams(generation_ids=7))
    for seq in range(1, n + 1):
        ids.add("t", f"{seq}", seq, seq)
    state = Snapshot.from_bytes(Snapshot(ids.snapshot(upto), "x").to_bytes()).sections
    again = BatchIds.restore(state)
    assert [again.seq_of("t", f"{seq}") for seq in range(1, n + 1)] == [
        seq if seq <= upto else None for seq in range(1, n + 1)
    ]


def test_ids_of_another_tenant_are_others() -> None:
    """The same id of two tenants is two batches."""
    ids = BatchIds()
    ids.add("a", "1", 1, 0)
    assert ids.seq_of("b", "1") is None
    ids.add("b", "1", 2, 0)
    assert (ids.seq_of("a", "1"), ids.seq_of("b", "1")) == (1, 2)
