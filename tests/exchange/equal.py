"""Whether two states are the same in all that counts."""

from __future__ import annotations

import numpy as np

import eegarchive


def same(a: eegarchive.archive.CachedState, b: eegarchive.archive.CachedState) -> None:
    assert a.digest == b.digest
    assert list(a.signals) == list(b.signals)
    for name in a.signals:
        one, other = a.signals[name], b.signals[name]
        assert one.pieces == other.pieces
        drop = {"samples_sha256"}
        assert {k: v for k, v in one.attributes.items() if k not in drop} == {
            k: v for k, v in other.attributes.items() if k not in drop
        }
        assert np.array_equal(one.digital[:], other.digital[:])
    for table in ("segments", "annotations", "epochs"):
        assert np.array_equal(getattr(a, table).rows(), getattr(b, table).rows())
    assert list(a.cache) == list(b.cache)
    for name in a.cache:
        pairs = [[(e.variable, e.strata, e.value) for e in s.cache[name].select(stale=True)] for s in (a, b)]
        assert pairs[0] == pairs[1]
