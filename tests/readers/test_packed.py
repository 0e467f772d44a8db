"""A freeze that came back from another lab is read by every example, once it is packed without virtual datasets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import eegarchive
from readers.programs import READERS, Reader, parse

EVERY_READER = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
SIGNALS = {"computed": "EEG Fpz-Cz", "restructured": "EEG Pz-Oz"}


@pytest.fixture(scope="module")
def packed(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Lab B's archive, and lab C's with the freeze N2 that came as a detached file."""
    labs = [tmp_path_factory.mktemp(name) for name in ("b", "c")]
    nights = [Path(shutil.copy(archives["edf_sleep_psg_30s_records"], lab / "night.h5")) for lab in labs]
    with eegarchive.edit(nights[0]) as night:
        night.mask(keep_epochs="3-5,8")
        night.restructure()
        name = SIGNALS["computed"]
        night.signals[name][:3000] = night.signals[name][3000:6000]
        night.freeze("N2")
    detached = labs[1] / "night.N2.h5"
    eegarchive.detach(f"{nights[0]}@N2", detached)
    eegarchive.attach(nights[1], detached)
    whole = labs[1] / "whole.h5"
    eegarchive.pack(nights[1], whole, materialize=True)
    detached.unlink()
    return nights[0], whole


@EVERY_READER
@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_a_packed_freeze_is_read_as_its_lab_had_it(
    reader: Reader, signal: str, packed: tuple[Path, Path], tmp_path: Path
) -> None:
    theirs, whole = packed
    out = tmp_path / "samples.bin"
    result = reader.run(whole, signal, str(out), "/freezes/N2")
    assert result.stderr == ""
    assert result.returncode == 0
    with eegarchive.open(theirs, freeze="N2") as night:
        expected = night.signals[signal].digital[:]
    assert parse(result.stdout)["samples"] == [[str(len(expected))]]
    np.testing.assert_array_equal(np.fromfile(out, "<f8" if reader.floats else "<i2"), expected)
