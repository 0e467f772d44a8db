"""Archives of real recordings say what pyedflib, edfio and MNE say about the recordings themselves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest

import eegarchive

#: Why pyedflib reads none of a recording; the other readers read all of them.
PYEDFLIB_REFUSES = {
    "edf_trailing_byte_bad_date": "the startdate is incorrect",
    "edfplusd_oximetry_gaps": "EDF\\+ Recordingfield",
}
EDFIO_WARNS = {"edf_trailing_byte_bad_date": ["Incomplete data record at the end"]}
NOT_UNIQUE = "Channel names are not unique"
HIGHPASS = "Channels contain different highpass filters"
LOWPASS = "Channels contain different lowpass filters"
MNE_WARNS = {
    "bdf_biosemi_17ch_256hz": [HIGHPASS, LOWPASS],
    "edf_cpap_8h_13ch_duplicate_labels": [NOT_UNIQUE],
    "edf_sleep_psg_30s_records": [HIGHPASS, LOWPASS, "Highpass cutoff frequency 16.0 is greater"],
    "edf_trailing_byte_bad_date": ["Invalid measurement date"],
    "edfplusc_duplicate_labels": [NOT_UNIQUE],
    "edfplusc_hypnogram_annotations_only": [
        "Header information is incorrect for record length",
        "Omitted 153",
        "Limited 1",
    ],
    "edfplusd_oximetry_gaps": ["Omitted 3", "Limited 1"],
}
#: MNE turns these into volts.
VOLTS = {"uV": 1e-6, "µV": 1e-6, "mV": 1e-3, "nV": 1e-9}


@pytest.fixture
def archive(recording: Path, archives: dict[str, Path]) -> Iterator[eegarchive.Archive]:
    with eegarchive.open(archives[recording.stem]) as opened:
        yield opened


def signals(archive: eegarchive.Archive) -> list[eegarchive.state.Signal]:
    return list(archive.signals.values())


def assert_same_physical(found: np.ndarray, signal: eegarchive.state.Signal, factor: float = 1.0) -> None:
    """Equal but for the rounding of one multiplication and one addition in another order."""
    expected = signal[:] * factor
    assert found.shape == expected.shape
    span = float(np.ptp(expected)) + float(np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * span)


def assert_same_annotations(
    found: Sequence[tuple[float, float | None, str]], archive: eegarchive.Archive, resolution: float
) -> None:
    """Equal in text, and in time to the reader's resolution.

    All three readers count onsets from the first record, and the recording (and we) from the start time,
    a fraction of a second before.
    """
    table = archive.annotations
    starts = archive.segments["start"]
    first = float(starts[0]) if len(starts) else 0.0
    own = zip(
        (table["onset"] - first).tolist(), table["duration"].tolist(), table["text"].tolist(), strict=True
    )
    ours = sorted((round(onset, 6), text, onset, length) for onset, length, text in own)
    theirs = sorted(
        (round(onset, 6), text, onset, np.nan if length is None else length) for onset, length, text in found
    )
    assert [row[1] for row in theirs] == [row[1] for row in ours]
    for column in (2, 3):
        np.testing.assert_allclose(
            [row[column] for row in theirs], [row[column] for row in ours], rtol=0, atol=resolution
        )


def check_warnings(raised: Sequence[warnings.WarningMessage], expected: Sequence[str]) -> None:
    texts = [str(item.message) for item in raised]
    assert len(texts) == len(expected), texts
    assert all(start in text for start, text in zip(sorted(expected), sorted(texts), strict=True)), texts


def test_pyedflib_gives_the_same(recording: Path, archive: eegarchive.Archive) -> None:
    if recording.stem in PYEDFLIB_REFUSES:
        with pytest.raises(OSError, match=PYEDFLIB_REFUSES[recording.stem]):
            pyedflib.EdfReader(str(recording))
        return
    with pyedflib.EdfReader(str(recording)) as reader:
        assert reader.getSignalLabels() == [s.label.strip() for s in signals(archive)]
        for i, signal in enumerate(signals(archive)):
            assert reader.getSampleFrequency(i) == pytest.approx(signal.sampling_rate, rel=1e-15)
            assert reader.getPhysicalDimension(i).strip() == signal.units.strip()
            np.testing.assert_array_equal(reader.readSignal(i, digital=True), signal.digital[:])
            assert_same_physical(reader.readSignal(i), signal)
        onsets, lengths, texts = reader.readAnnotations()
        found = [
            (float(onset), None if length == -1 else float(length), str(text))
            for onset, length, text in zip(onsets, lengths, texts, strict=True)
        ]
        assert_same_annotations(found, archive, resolution=1e-7)
        assert reader.getStartdatetime().replace(microsecond=0) == archive.start


def test_edfio_gives_the_same(recording: Path, archive: eegarchive.Archive) -> None:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        read = edfio.read_bdf if recording.suffix == ".bdf" else edfio.read_edf
        found = read(recording)
        assert len(found.signals) == len(archive.signals)
        for theirs, signal in zip(found.signals, signals(archive), strict=True):
            assert theirs.label == signal.label
            assert theirs.sampling_frequency == pytest.approx(signal.sampling_rate, rel=1e-15)
            assert theirs.physical_dimension == signal.attributes["physical_dimension"]
            assert theirs.transducer_type == signal.attributes["transducer"]
            assert theirs.prefiltering == signal.attributes["prefiltering"]
            np.testing.assert_array_equal(theirs.digital, signal.digital[:])
            assert_same_physical(theirs.data, signal)
        assert_same_annotations([tuple(item) for item in found.annotations], archive, resolution=1e-9)
    check_warnings(raised, EDFIO_WARNS.get(recording.stem, []))
    if archive.start is not None:
        assert found.startdate == archive.start.date()
        assert found.starttime.replace(microsecond=0) == archive.start.time()


def test_mne_gives_the_same(recording: Path, archive: eegarchive.Archive) -> None:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        read = mne.io.read_raw_bdf if recording.suffix == ".bdf" else mne.io.read_raw_edf
        raw = read(recording, preload=True, stim_channel=None, verbose="warning")
    check_warnings(raised, MNE_WARNS.get(recording.stem, []))
    assert len(raw.ch_names) == len(archive.signals)
    numbered = NOT_UNIQUE in MNE_WARNS.get(recording.stem, [])
    for i, (name, signal) in enumerate(zip(raw.ch_names, signals(archive), strict=True)):
        assert name == signal.label.strip() or (numbered and name.rpartition("-")[0] == signal.label.strip())
        # what is slower, MNE resamples to the rate of the fastest
        if signal.sampling_rate == max(s.sampling_rate for s in signals(archive)):
            assert raw.info["sfreq"] == pytest.approx(signal.sampling_rate, rel=1e-15)
            assert_same_physical(raw.get_data([i])[0], signal, VOLTS.get(signal.units, 1.0))
    # the annotations of `raw` end with its data
    listed = mne.read_annotations(recording)
    found = [
        (float(item["onset"]), float(item["duration"]) or None, str(item["description"])) for item in listed
    ]
    assert_same_annotations(found, archive, resolution=1e-9)
    started = raw.info["meas_date"]
    assert (started.replace(tzinfo=None) if started else None) == archive.start


def test_gaps_lie_where_the_records_say(archives: dict[str, Path]) -> None:
    with eegarchive.open(archives["edfplusd_oximetry_gaps"]) as archive:
        starts, lengths = archive.segments["start"], archive.segments["duration"]
    assert starts.tolist() == [0.0, 5631.0, 13656.0]
    assert lengths.sum() == 2748 * 4
    assert (starts[1:] - (starts + lengths)[:-1]).sum() == 4848
