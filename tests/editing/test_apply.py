"""Functions of the user's as operations."""

from __future__ import annotations

import hashlib
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from editing.referee import PSG, findings
from eegarchive.lineage import history

FPZ, PZ, EOG = list(PSG.signals)[:3]


def scaled(samples: np.ndarray, sampling_rate: float, by: float = 2.0, add: float = 0.0) -> np.ndarray:
    return samples * by + add


def test_a_function_makes_new_float32_samples_of_each_signal(night: eegarchive.EditableArchive) -> None:
    before = {name: night.signals[name][:] for name in night.signals}
    assert night.apply(scaled, [FPZ, "EEG Pz-Oz", FPZ], by=0.5) == [FPZ, PZ]
    for name, values in before.items():
        expected = (values * 0.5).astype("f4") if name in (FPZ, PZ) else values
        np.testing.assert_array_equal(night.signals[name][:], expected)
    signal = night.signals[FPZ]
    assert (signal.dtype.name, signal.scale_factor, signal.add_offset) == ("float32", 1.0, 0.0)
    assert not {"digital_minimum", "samples_per_record"} & set(signal.attributes)
    assert signal.units == "uV"


@pytest.mark.clause("O-11")
def test_the_history_says_which_function_with_what(night: eegarchive.EditableArchive) -> None:
    night.apply(scaled, FPZ, by=0.5, add=1)
    row = {name: column[-1] for name, column in night.history.columns().items()}
    parameters = json.loads(row["parameters"])
    code = parameters.pop("code_sha256")
    assert len(code) == 64
    text = textwrap.dedent(inspect.getsource(scaled)).encode()
    assert parameters == {
        "function": f"{__name__}:scaled",
        "source_sha256": hashlib.sha256(text).hexdigest(),
        "parameters": {"by": 0.5, "add": 1},
        "signals": [FPZ],
        "data": {FPZ: night.signals[FPZ].pieces[0].data},
    }
    assert row["operation"] == "apply"
    assert row["digest_after"] == night.digest


def test_it_is_told_in_words(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.apply(scaled, FPZ, by=0.5)
    assert str(history(scored)[-1]) == f"apply {__name__}:scaled, by=0.5: {FPZ}"


@pytest.mark.clause("O-11")
def test_no_call_sees_a_gap(apnoea: eegarchive.EditableArchive) -> None:
    seen = []

    def look(samples: np.ndarray, sampling_rate: float) -> np.ndarray:
        seen.append((len(samples), sampling_rate, samples.dtype.name))
        samples[:] = len(seen)  # it may change what it gets
        return samples

    rate = apnoea.signals["HR"].sampling_rate
    apnoea.apply(look, "HR")
    lengths = [round(seconds * rate) for seconds in apnoea.segments["duration"]]
    assert seen == [(length, rate, "float64") for length in lengths]
    np.testing.assert_array_equal(apnoea.signals["HR"][:], np.repeat([1.0, 2.0, 3.0], lengths))


@pytest.mark.parametrize(
    "value", [(1, 2), {1: 2}, np.zeros(2), float("nan"), {1}, object(), [np.int64(1)], b"x", 1 + 2j]
)
def test_parameters_that_json_cannot_give_back_are_refused(
    night: eegarchive.EditableArchive, value: Any
) -> None:
    before, rows = night.digest, len(night.history)
    with pytest.raises(eegarchive.EEGArchiveError, match=r"parameter 'by' is .* JSON can't give back"):
        night.apply(scaled, FPZ, by=value)
    assert (night.digest, len(night.history)) == (before, rows)


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda samples: samples[1:], "shape"),
        (lambda samples: samples.reshape(2, -1), "shape"),
        (lambda samples: None, "expected 30000 numbers"),
        (lambda samples: samples.astype(str), "expected 30000 numbers"),
        (lambda samples: samples + 1j, "expected 30000 numbers"),
        (lambda samples: samples + 1e39, "float32 can't hold"),
    ],
)
def test_what_is_no_signal_is_refused(night: eegarchive.EditableArchive, give: Any, message: str) -> None:
    before, rows = night.digest, len(night.history)
    with pytest.raises(eegarchive.EEGArchiveError, match=message):
        night.apply(lambda samples, rate: give(samples), FPZ)
    assert (night.digest, len(night.history)) == (before, rows)


def test_what_the_function_raises_goes_on_and_nothing_has_changed(night: eegarchive.EditableArchive) -> None:
    before, rows = night.digest, len(night.history)

    def fail(samples: np.ndarray, sampling_rate: float) -> np.ndarray:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        night.apply(fail, [FPZ])
    for none in ([], ["nothing"]):
        with pytest.raises(eegarchive.EEGArchiveError):
            night.apply(scaled, none)
    assert (night.digest, len(night.history)) == (before, rows)


def test_parameters_may_have_any_name_and_nan_stays(scored: Path) -> None:
    def fill(samples: np.ndarray, sampling_rate: float, signals: float, function: None) -> np.ndarray:
        samples[::2] = np.nan
        return samples

    with eegarchive.edit(scored) as night:
        night.apply(fill, FPZ, signals=1.0, function=None)
        assert np.isnan(night.signals[FPZ][::2]).all()
    assert findings(scored) == []
