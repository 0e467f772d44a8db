"""HDF5's own tools take archives without a complaint, and copies read the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

import eegarchive
from readers.programs import DATA, SHELL, check_signal, decode, has_program, need, parse


def tool(*command: str) -> str:
    """What a tool of HDF5 prints; it may not complain."""
    need((has_program, command[0]))
    result = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


def test_h5ls_lists_every_signal(archives: dict[str, Path]) -> None:
    for archive in archives.values():
        listed = tool("h5ls", "-r", str(archive))
        with eegarchive.open(archive) as ours:
            assert listed.count("\n/signals/") == len(ours.signals)
            assert listed.count("\n/freezes/source/signals/") == len(ours.signals)


def test_h5dump_prints_every_header(archives: dict[str, Path]) -> None:
    for archive in archives.values():
        printed = tool("h5dump", "-H", str(archive))
        with eegarchive.open(archive) as ours:
            assert printed.count('ATTRIBUTE "sampling_rate"') == len(ours.signals)
        assert printed.rstrip().endswith("}")


def test_h5stat_counts_every_dataset(archives: dict[str, Path]) -> None:
    for archive in archives.values():
        with h5py.File(archive) as h5:
            found: list[str] = []
            h5.visititems(
                lambda name, obj, found=found: found.append(name) if hasattr(obj, "dtype") else None
            )
        assert f"# of unique datasets: {len(found)}\n" in tool("h5stat", str(archive))


def contents(path: Path) -> dict[str, object]:
    """Everything our reader gives of an archive's states, comparable."""
    found: dict[str, object] = {}
    with eegarchive.open(path) as archive:
        found["provenance"] = archive.provenance
        for tag, state in {"": archive, **archive.freezes}.items():
            found[f"{tag} digest"] = state.digest
            for name in ("segments", "annotations", "epochs"):
                found[f"{tag} {name}"] = getattr(state, name).rows().tobytes()
            for name, signal in state.signals.items():
                found[f"{tag} {name}"] = (signal.attributes, signal.digital[:].tobytes())
    return found


@pytest.mark.parametrize(
    "stem",
    [
        "edf_sleep_psg_30s_records",
        "edfplusd_oximetry_gaps",
        "bdfplusc_mixed_rates_2s_records",
        "edfplusc_hypnogram_annotations_only",
    ],
)
def test_h5repack_loses_the_seal_alone(stem: str, archives: dict[str, Path], tmp_path: Path) -> None:
    need((has_program, "h5repack"))
    copy = tmp_path / "repacked.h5"
    tool("h5repack", str(archives[stem]), str(copy))
    assert contents(copy) == contents(archives[stem])
    errors = [finding for finding in eegarchive.verify(copy) if finding.severity == "error"]
    assert [finding.path for finding in errors] == ["seal"]


def test_copied_renamed_and_moved_archive_reads_the_same(archives: dict[str, Path], tmp_path: Path) -> None:
    original = archives["edfplusd_oximetry_gaps"]
    before = contents(original)
    folder = tmp_path / "elsewhere, with spaces"
    folder.mkdir()
    copied = Path(shutil.copy(original, tmp_path / "copied.h5"))
    moved = Path(shutil.move(copied, folder / "Räume & more.data"))
    assert not copied.exists()
    assert contents(moved) == before
    assert eegarchive.verify(moved) == []
    result = SHELL.run(moved, "HR", "", "/freezes/source")
    assert result.returncode == 0
    check_signal(parse(result.stdout), decode(DATA / "edfplusd_oximetry_gaps.edf", 1))
