"""The ledger: its numbers against others' reckoning, what is left out, what its picture shows."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import edfio
import mne
import numpy as np
import pytest
from matplotlib.text import Text
from plotting.looking import cut_off, overlapping, texts

import eegarchive
from eegarchive.accounting import Ledger, bytes_to_measure, formats, measuring
from eegarchive.accounting.source import Group, Source

FOLDER = Path(__file__).parent / "data"
CODECS = ("portable", "fast", "small", "none")


@pytest.fixture(scope="module")
def measured(archives: dict[str, Path]) -> Ledger:
    return eegarchive.ledger(archives["edf_sleep_psg_30s_records"], repeats=2)


def physical(path: Path) -> list[Any]:
    """All signals by another library."""
    read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [signal.data for signal in read(path).signals]


# -- numbers ------------------------------------------------------------------------------------


def test_the_edf_is_read_as_another_library_does(recording: Path) -> None:
    source = Source(recording)
    wanted = physical(recording)
    for group in source.groups:
        for start, stop in (
            (0, group.samples),
            (1, group.samples // 2),
            (group.samples // 3, group.samples - 1),
        ):
            for row, number in zip(source.read(group, start, stop), group.signals, strict=True):
                np.testing.assert_allclose(row, wanted[number][start:stop], rtol=1e-9, atol=1e-9)
    assert sorted(i for group in source.groups for i in group.signals) == list(range(len(wanted)))


def test_every_sample_of_an_archive_is_exactly_the_edfs(measured: Ledger) -> None:
    for codec in CODECS:
        residual = measured[f"archive, {codec}"].residual
        assert residual is not None
        assert residual.is_exact
        assert (residual.samples, residual.signals) == (91_200, 7)
        assert (residual.largest_steps, residual.largest, set(residual.parts)) == (0, 0, {0.0})


def test_the_residual_of_fif_is_what_float32_leaves(archives: dict[str, Path], tmp_path: Path) -> None:
    found = eegarchive.ledger(archives["edfplusc_duplicate_labels"], repeats=1)["FIF"].residual
    assert found is not None
    edf = FOLDER / "edfplusc_duplicate_labels.edf"
    raw = mne.io.read_raw_edf(edf, verbose="ERROR")
    raw.save(tmp_path / "night_raw.fif", verbose="ERROR")
    volts = mne.io.read_raw_fif(tmp_path / "night_raw.fif", verbose="ERROR").get_data()
    apart = np.abs(volts * 1e6 - np.stack(physical(edf)))
    assert found.samples == apart.size
    assert found.largest == pytest.approx(apart.max(), rel=1e-3)
    assert found.different == np.count_nonzero(apart > 1e-9 * Source(edf).scales[0])
    assert not found.is_exact
    assert found.largest_steps == pytest.approx(apart.max() / Source(edf).scales[0], rel=1e-3)
    thirds = [np.max(found.parts[i * 50 : (i + 1) * 50]) for i in range(4)]
    wanted = [part.max() for part in np.array_split(apart, 4, axis=1)]
    np.testing.assert_allclose(thirds, np.array(wanted) / Source(edf).scales[0], rtol=1e-3)


class Wrong:
    """The EDF's samples, one of them changed, and one missing."""

    def __init__(self, source: Source, at: int, by: float) -> None:
        self.groups = source.groups
        self.factors = [np.ones(len(group.signals)) for group in source.groups]
        self.source, self.at, self.by = source, at, by

    def read(self, group: int, start: int, stop: int) -> Any:
        out = self.source.read(self.groups[group], start, stop)
        if group == 0 and start <= self.at < stop:
            out[1, self.at - start] += self.by
        return out


@pytest.mark.parametrize("block", [64, 2**20])
@pytest.mark.parametrize(("at", "by"), [(0, 0.5), (29_999, -3.0), (12_345, np.nan)])
def test_one_wrong_sample_is_found_and_told(
    at: int, by: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eegarchive.accounting.source._BLOCK_SAMPLES", block)
    source = Source(FOLDER / "edf_sleep_psg_30s_records.edf")
    found = measuring.compare(Wrong(source, at, by), source)
    assert found is not None
    assert (found.different, found.signal, found.is_exact) == (1, source.signals[1].label, False)
    assert np.flatnonzero(found.parts).tolist() == [at * measuring.NUM_PARTS // 30_000]
    if np.isnan(by):
        assert found.largest_steps == np.inf
    else:
        assert found.largest == pytest.approx(abs(by))
        assert found.largest_steps == pytest.approx(abs(by) / source.scales[1])


def test_no_block_is_larger_than_it_may_be() -> None:
    for signals, samples in ((1, 10**8), (64, 10**6), (3, 10), (5000, 7)):
        blocks = Group(tuple(range(signals)), 100.0, samples).blocks()
        assert [blocks[0][0], blocks[-1][1]] == [0, samples]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(blocks))
        assert max(stop - start for start, stop in blocks) * signals <= 2**20


def test_sizes_are_those_of_the_files(measured: Ledger, tmp_path: Path) -> None:
    edf = FOLDER / "edf_sleep_psg_30s_records.edf"
    assert measured["EDF"].bytes == edf.stat().st_size
    for codec in CODECS:
        eegarchive.convert(edf, tmp_path / f"{codec}.h5", codec=codec)
        assert measured[f"archive, {codec}"].bytes == pytest.approx(
            (tmp_path / f"{codec}.h5").stat().st_size, rel=0.01
        )
    raw = mne.io.read_raw_edf(edf, verbose="ERROR")
    raw.save(tmp_path / "night_raw.fif", verbose="ERROR")
    assert measured["FIF"].bytes == pytest.approx((tmp_path / "night_raw.fif").stat().st_size, rel=0.01)


def test_times_are_medians_of_repeats_after_a_warm_up(
    measured: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cost in measured.costs:
        assert (len(cost.write_seconds), len(cost.read_seconds)) == (2, 2)
        assert len(cost.window_seconds) == measuring.NUM_WINDOWS
        assert cost.medians() == {
            "write": pytest.approx(1e3 * statistics.median(cost.write_seconds)),
            "read": pytest.approx(1e3 * statistics.median(cost.read_seconds)),
            "window": pytest.approx(1e3 * statistics.median(cost.window_seconds)),
        }
    clock = iter([10.0, 20.0, 25.0])
    calls: list[int] = []
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    assert list(measuring.times_of(lambda: calls.append(1), 1, lambda: None)) == [5.0]
    assert len(calls) == 2


def test_windows_are_as_long_as_they_say(archives: dict[str, Path]) -> None:
    source = Source(FOLDER / "edf_sleep_psg_30s_records.edf")
    reads: list[tuple[int, int]] = []

    class Watched(Wrong):
        def read(self, group: int, start: int, stop: int) -> Any:
            reads.append((group, stop - start))
            assert 0 <= start < stop <= self.groups[group].samples
            return None

    measuring._windows(Watched(source, 0, 0), source.seconds, 30.0)
    assert set(reads) == {(0, 3000), (1, 30)}
    assert len(reads) == 2 * (measuring.NUM_WINDOWS + 1)


def test_features_are_those_of_the_windows() -> None:
    edf = FOLDER / "edf_sleep_psg_30s_records.edf"
    found = formats.features_of(Source(edf), 30.0)
    wanted = physical(edf)
    assert found["start"].tolist() == [30.0 * i for i in range(10)]
    for number, signal in enumerate(edfio.read_edf(edf).signals):
        windows = wanted[number].reshape(10, -1)
        for name, function in (("mean", np.mean), ("std", np.std), ("min", np.min), ("max", np.max)):
            column = found[f"{number} {signal.label} {name}"]
            np.testing.assert_allclose(column, function(windows, axis=1), rtol=1e-9, atol=1e-9)
    assert len(found) == 2 + 4 * 7


def test_features_come_back_as_they_were(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    columns = formats.features_of(Source(FOLDER / "edf_sleep_psg_30s_records.edf"), 30.0)
    formats.write_parquet(columns, tmp_path)
    again = formats.read_parquet(tmp_path)
    assert all((again[name].to_numpy() == values).all() for name, values in columns.items())
    assert formats.read_parquet(tmp_path, 7)["start"].to_pylist() == [210.0]


def test_zarr_holds_every_rate_as_float32(archives: dict[str, Path]) -> None:
    pytest.importorskip("zarr")
    source = Source(FOLDER / "edf_sleep_psg_30s_records.edf")
    found = eegarchive.ledger(archives["edf_sleep_psg_30s_records"], repeats=1)["Zarr"].residual
    assert found is not None
    apart = [
        np.abs(source.read(g, 0, g.samples).astype(np.float32) - source.read(g, 0, g.samples))
        for g in source.groups
    ]
    assert found.samples == sum(a.size for a in apart)
    assert found.different == sum(np.count_nonzero(a) for a in apart)
    steps = max(
        (a / source.scales[[*g.signals], None]).max() for a, g in zip(apart, source.groups, strict=True)
    )
    assert found.largest_steps == pytest.approx(steps)


# -- states -------------------------------------------------------------------------------------


def test_what_each_format_cannot_hold_is_told(measured: Ledger, gaps: Path) -> None:
    assert "4 signals resampled to 100 Hz" in measured["FIF"].limits
    residual = measured["FIF"].residual
    assert residual is not None
    assert residual.signals == 3  # those that MNE didn't resample
    found = eegarchive.ledger(gaps, repeats=1)
    assert "2 gaps closed" in found["FIF"].limits
    assert found.kind == "EDF+D"
    with eegarchive.edit(gaps) as night:
        night.set_epochs(30)
        night.mask(keep_epochs="1-40")
        night.restructure()
    found = eegarchive.ledger(gaps, repeats=1)
    assert "no 40 epochs" in found["EDF"].limits
    assert found.seconds == 1200
    assert all(found[f"archive, {codec}"].residual.is_exact for codec in CODECS)  # type: ignore[union-attr]


def test_trigger_codes_are_not_compared_as_voltages(archives: dict[str, Path]) -> None:
    if "bdf_biosemi_17ch_256hz" not in archives:
        pytest.skip("only a clone")
    residual = eegarchive.ledger(archives["bdf_biosemi_17ch_256hz"], repeats=1)["FIF"].residual
    assert residual is not None
    assert residual.signals == 16


def test_a_freeze_is_measured_and_the_archive_left_alone(
    psg: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = psg.read_bytes()
    told: list[int] = []
    found = eegarchive.ledger(f"{psg}@source", repeats=1, progress=told.append)
    assert found.archive == f"{psg}@source"
    assert psg.read_bytes() == before
    assert list(scratch.iterdir()) == []
    with eegarchive.open(psg) as night:
        assert 0.5 < sum(told) / bytes_to_measure(night, 1) <= 1
    monkeypatch.setattr("eegarchive.accounting.measuring.compare", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        eegarchive.ledger(psg, repeats=1)
    assert list(scratch.iterdir()) == []


def test_formats_without_their_package_are_named_as_left_out(
    psg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("mne", "zarr", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
    found = eegarchive.ledger(psg, repeats=1)
    assert [cost.format for cost in found.costs] == ["EDF", *(f"archive, {codec}" for codec in CODECS)]
    assert set(found.left_out) == {"EDF, reading", "FIF", "Zarr", "Parquet features"}
    assert found.left_out["FIF"].startswith("mne isn't installed")
    assert found["EDF"].medians()["read"] is None
    shown = [text.get_text() for text in found.figure().findobj(Text)]
    assert "Left out" in shown
    assert "read not measured" in shown


def test_a_format_whose_library_fails_is_named_as_left_out(
    psg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing\nand more")

    monkeypatch.setattr(formats, "write_fif", fail)
    monkeypatch.setattr(formats, "_read_edf", fail)
    found = eegarchive.ledger(psg, repeats=1)
    assert found.left_out["FIF"] == "mne: RuntimeError: no such thing"
    assert found.left_out["EDF, reading"] == "mne: RuntimeError: no such thing"
    assert found["EDF"].bytes > 0


def test_what_cannot_be_measured_is_refused(archives: dict[str, Path]) -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match="has no samples"):
        eegarchive.ledger(archives["edfplusc_hypnogram_annotations_only"])
    with pytest.raises(ValueError, match="repeats = 0"):
        eegarchive.ledger(archives["edf_sleep_psg_30s_records"], repeats=0)


# -- what is shown ------------------------------------------------------------------------------


def test_the_picture_shows_the_numbers_and_no_text_covers_another(measured: Ledger) -> None:
    figure = measured.figure()
    assert (overlapping(figure), cut_off(figure)) == ([], [])
    panels = {panel.get_label(): panel for panel in figure.axes}
    widths = [bar.get_width() for bar in panels["cost"].patches]
    medians = [cost.medians() for cost in measured.costs]
    assert widths == [found["write"] for found in medians] + [found["read"] for found in medians]
    names, _ = texts(figure)
    assert names.count("exactly zero") == 4
    assert len(panels["residual"].images) == len(measured.costs) - 6
    assert f"{measured['EDF'].bytes / 1e6:.3g}" in names
    assert measured.provenance["source"] in names


def test_the_card_says_where_the_recording_comes_from(measured: Ledger, archives: dict[str, Path]) -> None:
    with eegarchive.open(archives["edf_sleep_psg_30s_records"]) as night:
        known = night.provenance
        assert measured.provenance["source SHA-256"] == str(known["source_sha256"])[:12]
        assert measured.provenance["state"] == night.digest[:12]
    assert measured.provenance["source"] == "edf_sleep_psg_30s_records.edf"
    assert measured.provenance["mne"] == mne.__version__
    assert {"python", "numpy", "h5py", "hdf5", "commit", "made", "measured"} <= set(measured.provenance)


def test_the_command_prints_draws_and_says_json(psg: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "eegarchive.cli",
            "ledger",
            str(psg),
            "--repeats",
            "1",
            *map(str, arguments),
        ]
        return subprocess.run(command, capture_output=True, text=True)

    done = run("-o", tmp_path / "ledger.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["schema"] == "eegarchive.ledger/1"
    assert [cost["exact"] for cost in found["costs"] if cost["format"].startswith("archive")] == [True] * 4
    assert all(cost["median_ms"]["write"] > 0 for cost in found["costs"])
    assert (tmp_path / "ledger.png").read_bytes().startswith(b"\x89PNG")
    done = run("-o", tmp_path / "ledger.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "exists already" in done.stderr
    done = run()
    assert done.returncode == 0
    assert "archive, portable" in done.stdout
    assert "exactly zero, 91200 samples" in done.stdout
