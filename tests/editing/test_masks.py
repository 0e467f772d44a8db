"""Masks: by annotation, number, time and count; they add up, and say what they changed."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eegarchive
from editing.referee import abandoned, epochs, masked_numbers, operations, touches


def left(night: eegarchive.EditableArchive) -> list[int]:
    return [epoch.number for epoch in epochs(night) if not epoch.masked]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ({"keep": "N2"}, [3, 4, 6, 9]),  # both scorers; "Sleep stage 2" too
        ({"keep": "Sleep stage 2"}, [3]),  # the text, not the kind
        ({"drop": "N2"}, [1, 2, 5, 7, 8, 10]),
        ({"keep": "N2", "annotation_set": "bob"}, [3, 4]),
        ({"keep": "N3"}, [5, 6]),
        ({"keep": "N3", "annotation_set": "ann"}, [5]),
        ({"keep": ["N1", "R"]}, [2, 7]),
        ({"keep": ["N2", "N3"], "all_of": True}, [6]),
        ({"drop": ["N2", "N3"], "all_of": True}, [1, 2, 3, 4, 5, 7, 8, 9, 10]),
        ({"keep": "N*"}, [2, 3, 4, 5, 6, 9]),
        ({"keep": "*stage*"}, [2, 3, 5, 8]),
        ({"keep": "Arousal"}, [1, 2]),
        ({"keep": "Arousal", "drop": "W"}, [2]),
        ({"keep": "Spike"}, [3]),  # without duration; the kind leaves the channel out
        ({"keep": "Spike@@EEG Pz-Oz"}, [3]),
        ({"keep": "Spindle"}, [7]),  # no duration stated
        ({"keep": "Artefact*"}, [9]),
        ({"keep": "N2", "whole_epoch": True}, [3, 4, 6, 9]),
        ({"drop": "Arousal", "whole_epoch": True}, list(range(1, 11))),
        ({"keep": "?"}, [8]),
        ({"keep_epochs": "3-5"}, [3, 4, 5]),
        ({"keep_epochs": "2, 4 - 5 ,9"}, [2, 4, 5, 9]),
        ({"keep_epochs": "9-200"}, [9, 10]),
        ({"keep_epochs": 7}, [7]),
        ({"keep_epochs": np.int64(7)}, [7]),
        ({"drop_epochs": [3, 4]}, [1, 2, 5, 6, 7, 8, 9, 10]),
        ({"drop_epochs": np.arange(2, 10)}, [1, 10]),
        ({"drop_epochs": (n for n in (1, 2))}, [3, 4, 5, 6, 7, 8, 9, 10]),
        ({"drop_epochs": []}, list(range(1, 11))),
        ({"keep_epochs": []}, []),
        ({"keep_epochs": "2-6", "drop_epochs": 4}, [2, 3, 5, 6]),
        ({"keep_times": (60, 120)}, [3, 4]),
        ({"keep_times": (59.99, 120.01)}, [2, 3, 4, 5]),
        ({"drop_times": (-100, 31)}, [3, 4, 5, 6, 7, 8, 9, 10]),
        ({"keep_times": np.array([240, 1e6])}, [9, 10]),
        ({"first": 3}, [1, 2, 3]),
        ({"first": 2, "drop": "W"}, [2, 3]),
        ({"flip": True}, []),
        ({"flip": True, "clear": True}, list(range(1, 11))),
        ({}, list(range(1, 11))),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)  # fmt: skip
def test_mask_leaves(night: eegarchive.EditableArchive, mask: dict[str, Any], expected: list[int]) -> None:
    report = night.mask(**mask)
    assert left(night) == expected
    assert (report.newly_masked, report.newly_unmasked) == (10 - len(expected), 0)
    assert (report.masked, report.total) == (10 - len(expected), 10)


def test_masks_add_up_and_each_says_what_it_changed(night: eegarchive.EditableArchive) -> None:
    assert str(night.mask(keep="N2")) == "6 epochs masked; 4 of 10 are left"
    assert str(night.mask(drop_epochs=[3, 5])) == "1 epoch masked; 3 of 10 are left"
    assert left(night) == [4, 6, 9]
    assert str(night.mask(keep="R")) == "3 epochs masked; 0 of 10 are left"
    assert str(night.mask(flip=True)) == "0 epochs masked, 10 unmasked; 10 of 10 are left"
    night.mask(keep_epochs="1-4")
    assert str(night.mask(flip=True, drop_epochs=10)) == "4 epochs masked, 5 unmasked; 5 of 10 are left"
    assert left(night) == [5, 6, 7, 8, 9]
    assert str(night.mask(clear=True)) == "0 epochs masked, 5 unmasked; 10 of 10 are left"


@pytest.mark.clause("O-3")
def test_first_and_random_count_only_what_is_left(night: eegarchive.EditableArchive) -> None:
    night.mask(drop_epochs="1-3")
    night.mask(first=4)
    assert left(night) == [4, 5, 6, 7]
    with pytest.raises(eegarchive.EEGArchiveError, match="5 epochs were asked for; 4 aren't masked"):
        night.mask(random=5)
    with pytest.raises(eegarchive.EEGArchiveError, match="0 epochs were asked for; 4 aren't masked"):
        night.mask(first=0)
    assert left(night) == [4, 5, 6, 7]


def test_random_ones_are_left_ones_and_a_seed_repeats_them(night: eegarchive.EditableArchive) -> None:
    found = []
    for seed in (1, 1, 2, 3):
        night.mask(clear=True, drop="W")
        night.mask(random=4, seed=seed)
        found.append(left(night))
        assert len(found[-1]) == 4
        assert set(found[-1]) <= set(range(2, 10))
    assert found[0] == found[1]
    assert len(set(map(tuple, found))) > 1


def test_numbers_stay_those_of_the_recording(night: eegarchive.EditableArchive) -> None:
    night.mask(keep_epochs="4-8")
    night.restructure()
    night.mask(drop_epochs=5)
    assert left(night) == [4, 6, 7, 8]
    night.mask(keep="N2")
    assert left(night) == [4, 6]
    with pytest.raises(eegarchive.NotInArchive, match="there is no epoch 3; they go from 4 to 8"):
        night.mask(drop_epochs=3)
    with pytest.raises(eegarchive.NotInArchive, match="there is no epoch from 9 to 12; they go from 4 to 8"):
        night.mask(drop_epochs="9-12")
    with pytest.raises(eegarchive.NotInArchive, match=r"no epoch lies in 0-120 s|no epoch lies in 0-90 s"):
        night.mask(drop_times=(0, 90))  # was cut out


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"keep": "N5"}, r"no annotation 'N5'; there are N2, W, N3, Arousal, N1, Spike, R, Spindle, \?, Artefact: mov"),
        ({"drop": "n2"}, "no annotation 'n2'; there are N2"),
        ({"keep": ["N2", "X*"]}, r"no annotation 'X\*'; there are"),
        ({"keep": "R", "annotation_set": "bob"}, "no annotation 'R'; there are N2, N3$"),
        ({"keep": "R", "annotation_set": "eve"}, "no annotation set 'eve'; there are ann, bob, events"),
        ({"keep_epochs": 11}, "there is no epoch 11; they go from 1 to 10"),
        ({"keep_epochs": 0}, "there is no epoch 0; they go from 1 to 10"),
        ({"keep_epochs": [3, 11]}, "there is no epoch 11"),
        ({"keep_epochs": "11-20"}, "there is no epoch from 11 to 20"),
        ({"keep_epochs": "5-3"}, "epochs '5-3': '5-3' isn't a number or a range such as 200-250"),
        ({"keep_epochs": "3,x"}, "epochs '3,x': 'x' isn't a number or a range"),
        ({"keep_epochs": ""}, "epochs '': '' isn't a number or a range"),
        ({"drop_epochs": "1--2"}, "isn't a number or a range"),
        ({"keep_times": (60, 60)}, "times 60-60 s: two numbers, the first of them the smaller one"),
        ({"keep_times": (90, 60)}, "times 90-60 s"),
        ({"keep_times": (float("nan"), 60)}, "times nan-60 s"),
        ({"keep_times": (60, float("inf"))}, "times 60-inf s"),
        ({"drop_times": (300, 400)}, "no epoch lies in 300-400 s"),
        ({"first": 11}, "11 epochs were asked for; 10 aren't masked"),
        ({"first": 3, "random": 5}, "the first epochs, or random ones"),
        ({"keep": []}, "no kind of annotation is named"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mask_that_hits_nothing_says_what_there_is_and_changes_nothing(
    night: eegarchive.EditableArchive, mask: dict[str, Any], message: str
) -> None:
    before = night.digest, operations(night)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.mask(**mask)
    assert (night.digest, operations(night), len(night.epochs)) == (*before, 0)


def test_a_long_list_of_kinds_is_cut(apnoea: eegarchive.EditableArchive) -> None:
    apnoea.add_annotations(range(50), [1.0] * 50, [f"event {i}" for i in range(50)])
    with pytest.raises(eegarchive.NotInArchive, match=r"no annotation 'N2'; there are .* and 34 more$"):
        apnoea.mask(keep="N2")


def test_an_archive_without_annotations_says_so(psg: Path) -> None:
    with (
        eegarchive.edit(psg) as night,
        pytest.raises(eegarchive.NotInArchive, match="no annotation 'N2'; there are none"),
    ):
        night.mask(keep="N2")


def test_epochs_are_set_where_there_are_none_and_both_are_recorded(night: eegarchive.EditableArchive) -> None:
    night.mask(drop="W")
    assert operations(night)[-2:] == ["epochs", "mask"]
    night.mask(clear=True)
    assert operations(night)[-2:] == ["mask", "mask"]


# -- against a referee that looks at each epoch by itself -----------------------------------------

NAMES = ("N2", "N3", "Arousal", "Spike 1", "Spike 2")
HALVES = st.integers(-40, 640).map(lambda n: n / 2)
ANNOTATIONS = st.lists(
    st.tuples(
        HALVES,
        st.one_of(st.just(0.0), st.just(float("nan")), st.integers(0, 200).map(lambda n: n / 2)),
        st.sampled_from(NAMES),
        st.sampled_from(["a", "b"]),
    ),
    min_size=1,
    max_size=12,
)
PATTERNS = st.lists(st.sampled_from([*NAMES, "*", "Spike*", "*2", "N?", "*o*s*"]), min_size=1, max_size=3)


@pytest.mark.clause("O-3")
@settings(max_examples=300, deadline=None)
@given(
    events=ANNOTATIONS,
    patterns=PATTERNS,
    lengths=st.tuples(st.integers(2, 120), st.integers(2, 120), st.integers(0, 20)),
    before=st.sets(st.integers(1, 20)),
    keep=st.booleans(),
    all_of=st.booleans(),
    whole_epoch=st.booleans(),
    annotation_set=st.sampled_from([None, "a", "b"]),
)
def test_masks_by_annotation_are_the_referees(
    archives: dict[str, Path],
    events: list[tuple[float, float, str, str]],
    patterns: list[str],
    lengths: tuple[int, int, int],
    before: set[int],
    keep: bool,
    all_of: bool,
    whole_epoch: bool,
    annotation_set: str | None,
) -> None:
    with abandoned(archives["edf_sleep_psg_30s_records"]) as night:
        for name in ("a", "b"):
            own = [event for event in events if event[3] == name]
            night.add_annotations(*([event[i] for event in own] for i in range(3)), annotation_set=name)
        count = night.set_epochs(*(n / 2 for n in lengths))
        night.mask(drop_epochs=[n for n in before if n <= count])

        asked = [event for event in events if annotation_set in (None, event[3])]
        # our only wildcard is *
        hits = [
            [event for event in asked if fnmatch.fnmatchcase(event[2], pattern.replace("?", "[?]"))]
            for pattern in patterns
        ]
        arguments: dict[str, Any] = {
            "keep" if keep else "drop": patterns,
            "all_of": all_of,
            "whole_epoch": whole_epoch,
            "annotation_set": annotation_set,
        }
        if not all(hits):
            with pytest.raises(eegarchive.NotInArchive):
                night.mask(**arguments)
        else:
            expected = []
            for epoch in epochs(night):
                has = [
                    any(touches(a, d, (epoch.start, epoch.stop), whole_epoch) for a, d, *_ in one)
                    for one in hits
                ]
                if epoch.masked or (all(has) if all_of else any(has)) != keep:
                    expected.append(epoch.number)
            night.mask(**arguments)
            assert masked_numbers(night) == expected


@pytest.mark.clause("O-3")
@settings(max_examples=100, deadline=None)
@given(
    times=st.tuples(HALVES, HALVES).filter(lambda pair: pair[0] < pair[1]),
    lengths=st.tuples(st.integers(2, 120), st.integers(2, 120)),
    keep=st.booleans(),
)
def test_masks_by_time_are_the_referees(
    archives: dict[str, Path], times: tuple[float, float], lengths: tuple[int, int], keep: bool
) -> None:
    with abandoned(archives["edf_sleep_psg_30s_records"]) as night:
        night.set_epochs(*(n / 2 for n in lengths))
        hit = [e.number for e in epochs(night) if touches(times[0], times[1] - times[0], (e.start, e.stop))]
        every = [e.number for e in epochs(night)]
        arguments: dict[str, Any] = {"keep_times" if keep else "drop_times": times}
        if not hit:
            with pytest.raises(eegarchive.NotInArchive, match="no epoch lies in"):
                night.mask(**arguments)
        else:
            night.mask(**arguments)
            assert masked_numbers(night) == ([n for n in every if n not in hit] if keep else hit)
