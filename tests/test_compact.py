"""Compact and recode: the smallest file with the same contents, or the archive as it was."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import multiprocessing
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import digest
from eegarchive.check import Checker
from eegarchive.cli import main
from eegarchive.compaction import bytes_to_compact, compact, recode
from eegarchive.errors import EEGArchiveError, InvalidArchive, VerificationFailed
from eegarchive.findings import Finding
from eegarchive.savings import compact_savings
from eegarchive.storage import codec, disk, journal, objects, seal
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.locks import Locked
from eegarchive.storage.pages import PAGE_BYTES

#: The module; the package's name `compact` is the function.
MODULE = sys.modules[compact.__module__]
KILLS = 12


def sharing(path: Path) -> set[frozenset[str]]:
    """Which names lead to the same object, stored signals that nothing else names left out."""
    found: dict[int, set[str]] = {}
    with h5py.File(path) as file:

        def note(name: str, link: Any) -> None:
            found.setdefault(h5py.h5o.get_info(file.id, name.encode()).addr, set()).add(name)

        file.visititems_links(note)
        shown = {name for names in found.values() for name in names}
        groups = {frozenset(names) for names in found.values()}
    assert shown
    return {names for names in groups if len(names) > 1 or not next(iter(names)).startswith("data/")}


def contents(path: Path, samples: bool = True) -> dict[str, Any]:
    """All that a user sees of an archive."""
    found: dict[str, Any] = {}
    with eegarchive.open(path) as archive:
        states = {"": archive, **archive.freezes}
        for tag, state in states.items():
            found[tag] = (
                state.digest,
                {name: (signal.attributes, signal.pieces) for name, signal in state.signals.items()},
                [table.rows().tobytes() for table in (state.segments, state.annotations, state.epochs)],
            )
            if samples:
                found[tag] += (
                    [hashlib.sha256(s.digital[:].tobytes()).hexdigest() for s in state.signals.values()],
                )
        found["history"] = archive.history.rows().tobytes()
        found["root"] = {k: v for k, v in archive._root().items() if k != "archive_digest"}
    return found


def findings(path: Path) -> list[Finding]:
    """What is wrong with an archive, looked for in this process."""
    found: list[Finding] = []
    Checker(path, found.append, lambda _: None).run()
    if not seal.is_intact(path):
        found.append(Finding("error", "seal", "", ""))
    return found


@pytest.fixture(autouse=True)
def check_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check in this process, which is quicker; the fixture `child` is for tests that need the child process."""
    if "child" in request.fixturenames:
        return

    def check(path: Path, progress: Any = None, locking: bool = True) -> list[Finding]:
        found: list[Finding] = []

        def told(what: str | int) -> None:
            if progress is not None and isinstance(what, int):
                progress(what)

        Checker(path, found.append, told, locking).run()
        return found

    monkeypatch.setattr(MODULE, "check_contents", check)


@pytest.fixture
def child() -> None:
    """For tests in which the check is to run in its own process, as it does for users."""


def left_over(path: Path) -> list[str]:
    """Files beside an archive."""
    return sorted(entry.name for entry in path.parent.iterdir() if entry.name != path.name)


@pytest.fixture
def worked(psg: Path) -> Path:
    """An archive with freezes, virtual signals, stored signals of no state, and some removed objects."""
    rng = np.random.default_rng(1)
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(keep_epochs="2-4,6,8")
        night.restructure()
        night.freeze("some", note="five epochs")
        night.copy_signal("EEG Fpz-Cz", "copy")
        night.freeze("copied")
        night.thaw("source")
        night.signals["EEG Pz-Oz"].digital[1000:9000] = rng.integers(-2000, 2000, 8000)
        night.freeze("noisy", note="for nothing")
        night.thaw("some")
    return psg


def remove(path: Path, *tags: str) -> None:
    with eegarchive.edit(path) as night:
        for tag in tags:
            night.remove_freeze(tag)


# -- what stays ----------------------------------------------------------------------------------


def test_contents_sharing_and_digests_stay_and_the_archive_is_whole(child: None, worked: Path) -> None:
    before, shared = contents(worked), sharing(worked)
    with eegarchive.open(worked) as archive:
        stated = archive.provenance["archive_digest"]
    report = compact(worked)
    assert contents(worked) == before
    assert sharing(worked) == shared
    with eegarchive.open(worked) as archive:
        assert archive.provenance["archive_digest"] == stated
    assert report.left_out == ()
    assert report.after == worked.stat().st_size < report.before
    assert eegarchive.verify(worked) == []
    assert left_over(worked) == []


def test_the_space_of_removed_freezes_comes_back(worked: Path, archives: dict[str, Path]) -> None:
    remove(worked, "noisy", "some", "copied")
    with eegarchive.edit(worked) as night:
        night.thaw("source")
    before = contents(worked)
    report = compact(worked)
    assert len(report.left_out) == 1
    # five more rows of history, and nothing else
    assert report.after - archives["edf_sleep_psg_30s_records"].stat().st_size < 4_000
    assert report.before - report.after > 15_000
    assert contents(worked) == before
    assert findings(worked) == []
    assert compact(worked).left_out == ()


def test_stored_signals_come_first_and_twice_gives_the_same_bytes(worked: Path) -> None:
    compact(worked)
    once = worked.read_bytes()
    with h5py.File(worked) as file:
        data = [h5py.h5o.get_info(file["data"].id, name.encode()).addr for name in file["data"]]
        rest = [h5py.h5o.get_info(file[name].id).addr for name in ("edf", "freezes", "signals", "history")]
    assert max(data) < min(rest)
    report = compact(worked)
    assert report.before == report.after
    assert worked.read_bytes() == once


def test_stored_chunks_are_copied_as_they_are(worked: Path) -> None:
    def chunks() -> dict[str, list[bytes]]:
        with h5py.File(worked) as file:
            return {
                name: [found.id.read_direct_chunk((at,))[1] for at in range(0, len(found), found.chunks[0])]
                for name, found in file["data"].items()
                if found.chunks
            }

    before = chunks()
    assert before
    compact(worked)
    assert chunks() == before


def test_every_real_archive_compacts(archives: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "night.h5"
    for archive in archives.values():
        shutil.copy(archive, path)
        before = contents(path)
        report = compact(path)
        assert contents(path) == before
        assert report.after - report.before < 2_000


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_cache_and_members_of_later_versions_are_carried_along(worked: Path) -> None:
    with eegarchive.edit(worked) as night:
        root = night._edited.h5
        night.cache["psd"].put("power", 2.5, E=1)
        big = objects.create_dataset(
            root, np.dtype("<f8"), 100_000, 1_000, codec.CODECS["none"], name="later"
        )
        big.write_direct(np.arange(100_000.0))
        plane = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plane.set_obj_track_times(False)
        plane.set_chunk((4, 5))
        codec.PORTABLE.add_filters(plane)
        space = h5py.h5s.create_simple((10, 12))
        made = h5py.Dataset(h5py.h5d.create(root.id, b"plane", h5py.h5t.STD_I16LE, space, dcpl=plane))
        made.write_direct(np.arange(120, dtype="<i2").reshape(10, 12))
        objects.write_attribute(made, "note", "two dimensions")
        night.freeze("cached")
        objects.write_attribute(root, "later_attribute", 1.5)
    shared = sharing(worked)
    expected = findings(worked)
    assert {finding.severity for finding in expected} == {"warning"}
    with h5py.File(worked) as file:
        compared = {name: file[name][()].tobytes() for name in ("later", "plane", "cache/psd/num")}
    for how in (None, "fast"):
        compact(worked, codec=how)
        assert sharing(worked) == shared
        assert frozenset({"cache/psd/num", "freezes/cached/cache/psd/num"}) in shared
        with h5py.File(worked) as file:
            assert {name: file[name][()].tobytes() for name in compared} == compared
            assert file["plane"].attrs["note"] == b"two dimensions"
            assert file.attrs["later_attribute"] == 1.5
        assert findings(worked) == expected


def test_permissions_and_the_link_to_the_archive_stay(worked: Path, tmp_path: Path) -> None:
    os.chmod(worked, 0o600)
    link = tmp_path / "link.h5"
    link.symlink_to(worked)
    report = compact(link)
    assert link.is_symlink()
    assert report.path == worked
    assert worked.stat().st_size == report.after
    assert stat.S_IMODE(worked.stat().st_mode) == 0o600


# -- codecs --------------------------------------------------------------------------------------


def test_recode_through_all_codecs_and_back_gives_the_same_bytes(worked: Path) -> None:
    before, shared = contents(worked), sharing(worked)
    with eegarchive.open(worked) as archive:
        stated = archive.provenance["archive_digest"]
    recode(worked, "portable")
    portable = worked.read_bytes()
    sizes = {}
    for name in ("fast", "small", "none", "small", "portable"):
        sizes[name] = recode(worked, name).after
        with eegarchive.open(worked) as archive:
            for data in {piece.data for s in archive.signals.values() for piece in s.pieces}:
                assert archive._file.stored(data).codec in (None, codec.CODECS[name])
            assert (
                archive._file.dataset("freezes/some", "pieces").chunks is None
                or archive._file.dataset("freezes/some", "pieces").compression == "gzip"
            )
            assert archive.provenance["archive_digest"] == stated
        assert contents(worked) == before
        assert sharing(worked) == shared
        assert findings(worked) == []
    assert worked.read_bytes() == portable
    assert sizes["none"] > sizes["portable"]


def test_recode_gives_the_chunks_of_a_conversion(tmp_path: Path) -> None:
    source = Path(__file__).parent / "data" / "edf_sleep_psg_30s_records.edf"
    there, back = tmp_path / "there.h5", tmp_path / "back.h5"
    eegarchive.convert(source, there, codec="fast")
    eegarchive.convert(source, back)
    recode(there, "portable")
    compact(back)
    ours, theirs = (contents(path) for path in (there, back))
    assert {k: v for k, v in ours.items() if k not in ("root", "history")} == {
        k: v for k, v in theirs.items() if k not in ("root", "history")
    }
    with h5py.File(there) as first, h5py.File(back) as second:
        for name, found in first["data"].items():
            assert found.chunks == second["data"][name].chunks
            for at in range(0, len(found), found.chunks[0] if found.chunks else len(found)):
                if not found.chunks:
                    assert np.array_equal(found[()], second["data"][name][()])
                    continue
                assert found.id.read_direct_chunk((at,)) == second["data"][name].id.read_direct_chunk((at,))


def test_an_unknown_codec_is_refused(worked: Path) -> None:
    with pytest.raises(ValueError, match="codec 'lzma'; there are portable, fast, small, none"):
        recode(worked, "lzma")


# -- others who use the archive ------------------------------------------------------------------


def test_a_reader_that_was_open_before_reads_on(worked: Path) -> None:
    with eegarchive.open(worked) as archive, eegarchive.open(f"{worked}@some") as frozen:
        signal = archive.signals["EEG Fpz-Cz"]
        before, frozen_before = signal[100:2000], frozen.signals["EEG Pz-Oz"][:]
        old = os.stat(worked).st_ino
        compact(worked)
        assert os.stat(worked).st_ino != old
        assert np.array_equal(signal[100:2000], before)
        assert np.array_equal(frozen.signals["EEG Pz-Oz"][:], frozen_before)
        with eegarchive.edit(worked) as night:
            night.freeze("later")
        assert "later" in archive.freezes


def test_a_program_that_reads_keeps_the_archive_as_it_is(worked: Path) -> None:
    raw = worked.read_bytes()
    with open(worked, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(Locked, match=r"is open for reading in .*; close it and try again"):
            compact(worked, timeout=0.1)
    assert worked.read_bytes() == raw
    assert left_over(worked) == []
    compact(worked)


def test_a_writer_keeps_it_out_and_the_other_way_round(worked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with eegarchive.edit(worked), pytest.raises(Locked, match="is being edited by process"):
        compact(worked, timeout=0.1)

    def edit_now(*_: Any, **__: Any) -> list[Finding]:
        with pytest.raises(Locked, match="is being edited by process"), eegarchive.edit(worked, timeout=0.1):
            pass
        tried.append(True)
        return []

    tried: list[bool] = []
    monkeypatch.setattr(MODULE, "check_contents", edit_now)
    compact(worked)
    assert tried == [True]


def test_a_change_by_a_program_without_locks_is_not_lost(
    worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*_: Any, **__: Any) -> list[Finding]:
        with open(worked, "ab") as file:
            file.write(b"more")
        return []

    monkeypatch.setattr(MODULE, "check_contents", change)
    with pytest.raises(EEGArchiveError, match="was changed by another program meanwhile"):
        compact(worked)
    assert worked.read_bytes().endswith(b"more")


def test_a_commit_that_was_cut_off_is_undone_first(worked: Path) -> None:
    old, before = worked.read_bytes(), contents(worked)
    with eegarchive.edit(worked) as night:
        night.freeze("half")
    new = worked.read_bytes()

    def page(raw: bytes, number: int) -> bytes:
        return raw[number * PAGE_BYTES :][:PAGE_BYTES].ljust(PAGE_BYTES, b"\0")

    pages = {number: (page(old, number), page(new, number)) for number in range(-(-len(old) // PAGE_BYTES))}
    journal.write(worked, journal.Journal(len(old), len(new), pages))
    compact(worked)
    assert contents(worked) == before
    assert left_over(worked) == []


# -- damage --------------------------------------------------------------------------------------


def resealed(path: Path, raw: bytes) -> None:
    path.write_bytes(raw[: -seal.SEAL_BYTES])
    seal.append(path)


def test_an_archive_without_a_seal_is_sealed_again(child: None, worked: Path) -> None:
    before = contents(worked)
    worked.write_bytes(worked.read_bytes()[: -seal.SEAL_BYTES])
    with pytest.raises(InvalidArchive, match="eegarchive compact"), eegarchive.edit(worked):
        pass
    compact(worked)
    assert contents(worked) == before
    assert findings(worked) == []
    with eegarchive.edit(worked) as night:
        night.freeze("again")


def test_an_archive_that_another_program_has_rewritten_becomes_one_of_ours(worked: Path) -> None:
    before, shared = contents(worked), sharing(worked)
    other = worked.with_name("other.h5")
    with h5py.File(worked) as source, h5py.File(other, "w", libver="latest") as target:
        names: dict[int, str] = {}

        def attributes(old: h5py.Group, new: h5py.Group) -> None:
            for key, value in old.attrs.items():
                new.attrs.create(key, value, dtype=old.attrs.get_id(key).dtype)

        def copy(name: str, _: Any) -> None:
            address = h5py.h5o.get_info(source.id, name.encode()).addr
            if isinstance(source[name], h5py.Group):
                attributes(source[name], target.create_group(name))
            elif address in names:
                target[name] = target[names[address]]
            else:
                names[address] = name
                source.copy(source[name], target, name)

        attributes(source, target)
        source.visititems_links(copy)
    os.replace(other, worked)
    assert findings(worked) == [Finding("error", "seal", "", "")]
    compact(worked)
    assert findings(worked) == []
    assert contents(worked) == before
    assert sharing(worked) == shared
    with open(worked, "rb") as file:
        assert file.read(9)[8] == 2  # the superblock's version


def test_a_flip_in_bytes_that_nothing_refers_to_is_mended(worked: Path) -> None:
    remove(worked, "noisy")
    before = contents(worked)
    raw = bytearray(worked.read_bytes())
    raw[raw.index(b"for nothing")] ^= 1  # the note of the freeze that is gone
    worked.write_bytes(raw)
    assert findings(worked) == [Finding("error", "seal", "", "")]
    compact(worked)
    assert findings(worked) == []
    assert contents(worked) == before
    assert b"or nothing" not in worked.read_bytes()


def test_damage_of_a_stored_signal_that_nothing_needs_is_refused_too(worked: Path) -> None:
    remove(worked, "noisy")
    with contextlib.closing(ArchiveFile(worked)) as opened, opened.reading():
        used = MODULE._used_data(opened)
    with h5py.File(worked) as file:
        (unused,) = set(file["data"]) - used
        chunk = file["data"][unused].id.get_chunk_info(0)
    raw = bytearray(worked.read_bytes())
    raw[chunk.byte_offset + chunk.size // 2] ^= 1
    worked.write_bytes(raw)
    with pytest.raises(InvalidArchive, match=f"/data/{unused}: "):
        compact(worked)
    assert worked.read_bytes() == raw


@pytest.mark.parametrize("sealed", ["as it was", "again", "not"])
@pytest.mark.parametrize("where", ["chunk", "table", "attribute", "freeze", "header bytes"])
@pytest.mark.parametrize("how", [None, "fast"])
def test_a_damaged_archive_is_refused_and_left(
    worked: Path, where: str, sealed: str, how: str | None
) -> None:
    raw = worked.read_bytes()
    with h5py.File(worked) as file:
        chunk = file["signals/EEG Fpz-Cz"].id.get_create_plist().get_virtual_dsetname(0)
        info = file[chunk].id.get_chunk_info(0)
    at = {
        "chunk": info.byte_offset + info.size // 2,
        "table": raw.index(b"digest_before"),
        "attribute": raw.index(b"five epochs"),
        "freeze": raw.index(b"five epochs") + 3,
        "header bytes": raw.index(b"Female_33yr"),
    }[where]
    damaged = bytearray(raw)
    damaged[at] ^= 1
    if sealed == "again":
        resealed(worked, bytes(damaged))
    else:
        worked.write_bytes(damaged if sealed == "as it was" else damaged[: -seal.SEAL_BYTES])
    found = worked.read_bytes()
    with pytest.raises(
        (InvalidArchive, VerificationFailed), match=r"was left as it is|damaged|left as it is"
    ):
        compact(worked, codec=how)
    assert worked.read_bytes() == found
    assert left_over(worked) == []


@pytest.mark.parametrize("sealed", [True, False])
def test_a_history_that_was_forged_gets_no_new_digest(worked: Path, sealed: bool) -> None:
    with h5py.File(worked, "r+", libver=("v108", "v110")) as file:
        _replace_history(file)
    if sealed:
        seal.append(worked)
    raw = worked.read_bytes()
    with pytest.raises(
        InvalidArchive, match=r"what (it|the archive) holds isn't what its archive_digest says"
    ):
        compact(worked)
    assert worked.read_bytes() == raw


def test_what_is_no_archive_is_refused(child: None, tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("no archive\n" * 100)
    with pytest.raises(InvalidArchive, match="isn't a readable HDF5 file"):
        compact(path)
    with pytest.raises(FileNotFoundError):
        compact(tmp_path / "none.h5")
    assert left_over(path) == []


def _replace_history(file: h5py.File) -> None:
    rows = file["history"][()]
    rows["time"][0] = b"yesterday"
    del file["history"]
    objects.link(objects.write_table(file, rows), file, "history")


def _copy_shared(file: h5py.File) -> None:
    rows = file["epochs"][()]
    del file["epochs"]
    objects.link(objects.write_table(file, rows), file, "epochs")


def _drop_freeze(file: h5py.File) -> None:
    del file["freezes/copied"]


def _change_note(file: h5py.File) -> None:
    file["freezes/some"].attrs["note"] = np.bytes_("six epochs")


def _show_other(file: h5py.File) -> None:
    del file["freezes/copied/signals/copy"]
    h5py.h5o.link(file["freezes/copied/signals/EEG Pz-Oz"].id, file["freezes/copied/signals"].id, b"copy")


def _change_root(file: h5py.File) -> None:
    objects.write_attribute(file, "source_name", "other.edf")


def _add_member(file: h5py.File) -> None:
    objects.create_group(file, "zzz")


@pytest.mark.parametrize(
    "break_it",
    [_replace_history, _copy_shared, _drop_freeze, _change_note, _show_other, _change_root, _add_member],
)
def test_whatever_differs_in_the_new_file_is_noticed_before_the_rename(
    worked: Path, break_it: Callable[[h5py.File], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = worked.read_bytes()

    def spoil(path: Path) -> None:
        with h5py.File(path, "r+", locking=False, libver=("v108", "v110")) as file:
            break_it(file)

    monkeypatch.setattr(MODULE, "drop_from_memory", spoil)
    monkeypatch.setattr(MODULE, "check_contents", lambda *_, **__: [])
    with pytest.raises(VerificationFailed):
        compact(worked)
    assert worked.read_bytes() == raw
    assert left_over(worked) == []


def test_samples_that_differ_in_the_new_file_are_noticed_before_the_rename(
    child: None, worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = worked.read_bytes()

    def spoil(path: Path) -> None:
        with h5py.File(path, "r+", locking=False, libver=("v108", "v110")) as file:
            data = next(found for found in file["data"].values() if found.chunks)
            samples = data[:100]
            data[:100] = samples + 1

    monkeypatch.setattr(MODULE, "drop_from_memory", spoil)
    with pytest.raises(VerificationFailed, match="in the rewritten file, /data/"):
        compact(worked)
    assert worked.read_bytes() == raw


def test_samples_that_were_decoded_wrong_are_noticed_while_they_are_encoded(
    worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, honest = worked.read_bytes(), MODULE._blocks
    monkeypatch.setattr(MODULE, "_blocks", lambda stored: (block + 1 for block in honest(stored)))
    with pytest.raises(InvalidArchive, match="its samples aren't what samples_sha256 says"):
        recode(worked, "fast")
    assert worked.read_bytes() == raw
    assert left_over(worked) == []


# -- crashes -------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is as good as dead."""


STEPS = ["resize", "sync", "rename", "sync_folder", "remove", "write_at", "create", "link"]


def test_an_error_at_any_step_on_the_disk_leaves_the_old_or_the_new_archive(
    worked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, before = worked.read_bytes(), contents(worked, samples=False)
    done: list[str] = []

    def failing(step: str, at: int, after: bool) -> Callable[..., Any]:
        honest = getattr(disk, step)

        def run(*arguments: Any) -> Any:
            done.append(step)
            found = honest(*arguments) if after or len(done) != at else None
            if len(done) == at:
                raise Crash
            return found

        return run

    def crashed(at: int, after: bool) -> bool:
        done.clear()
        with monkeypatch.context() as patch:
            for step in STEPS:
                patch.setattr(disk, step, failing(step, at, after))
            try:
                compact(worked)
            except Crash:
                return True
        return False

    assert not crashed(0, False)
    steps, new = list(done), worked.read_bytes()
    assert "rename" in steps
    for at in range(1, len(steps) + 1):
        for after in (False, True):
            worked.write_bytes(raw)
            assert crashed(at, after)
            is_new = at > steps.index("rename") + (0 if after else 1)
            assert worked.read_bytes() == (new if is_new else raw)
            assert not [name for name in left_over(worked) if name.endswith(".partial")]
    compact(worked)
    assert contents(worked, samples=False) == before
    assert left_over(worked) == []


@pytest.mark.parametrize(
    "phase", ["check_archive_digest", "_used_data", "_compare", "_check_new", "_wait_for_readers"]
)
def test_an_interruption_in_any_phase_leaves_the_archive(
    worked: Path, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = worked.read_bytes()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MODULE, phase, interrupt)
    with pytest.raises(KeyboardInterrupt):
        compact(worked)
    assert worked.read_bytes() == raw
    assert left_over(worked) == []


def _rewrite_for_ever(path: str) -> None:
    while True:
        for name in ("fast", "portable"):
            recode(path, name)


def test_a_kill_at_any_moment_leaves_a_whole_archive(child: None, worked: Path) -> None:
    before = contents(worked)
    rng = random.Random(2)
    context = multiprocessing.get_context("fork")
    for _ in range(KILLS):
        child = context.Process(target=_rewrite_for_ever, args=(str(worked),))
        child.start()
        time.sleep(rng.uniform(0.02, 0.9))
        child.kill()
        child.join()
        assert seal.is_intact(worked)
        assert contents(worked, samples=False) == {
            tag: found[:3] if isinstance(found, tuple) else found for tag, found in before.items()
        }
    compact(worked)
    assert contents(worked) == before
    assert findings(worked) == []
    assert left_over(worked) == []


FULL = """
import resource, sys
import eegarchive.compaction as _
from eegarchive import EEGArchiveError
from eegarchive.compaction import compact
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    compact(sys.argv[1])
except (EEGArchiveError, OSError) as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("limit", [0, 2_000, 60_000, 130_000])
def test_a_disk_without_room_leaves_the_archive(worked: Path, limit: int) -> None:
    raw = worked.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(worked), str(limit)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:"), (done.stdout, done.stderr)
    assert worked.read_bytes() == raw
    assert left_over(worked) == []


# -- any archive ---------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["write", "keep", "copy", "mask", "freeze", "thaw", "remove"]), st.integers(0, 9)
        ),
        min_size=1,
        max_size=8,
    ),
    how=st.sampled_from([None, *codec.CODECS]),
)
def test_any_sequence_of_edits_survives(
    archives: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int]],
    how: str | None,
) -> None:
    path = tmp_path_factory.mktemp("edits") / "night.h5"
    shutil.copy(archives["edf_sleep_psg_30s_records"], path)
    for i, (step, number) in enumerate(steps):
        with eegarchive.edit(path) as night:
            names = list(night.signals)
            name, tags = names[number % len(names)], [tag for tag in night.freezes if tag != "source"]
            if step == "write":
                count = min(len(night.signals[name]), 1 + 600 * number)
                night.signals[name].digital[:count] = np.arange(count) % 100
            elif step == "keep" and len(names) > 1:
                night.drop_signals([name])
            elif step == "copy":
                night.copy_signal(name, f"copy {i}")
            elif step == "mask":
                night.set_epochs(30)
                night.mask(first=min(1 + number, len(night.epochs)))
                night.restructure()
            elif step == "freeze":
                night.freeze(f"t{number}", overwrite=True)
            elif step == "thaw" and tags:
                night.thaw(tags[number % len(tags)])
            elif step == "remove" and tags:
                night.remove_freeze(tags[number % len(tags)])
    before, shared = contents(path), sharing(path)
    with eegarchive.open(path) as archive:
        named = {
            piece.data
            for state in (archive, *archive.freezes.values())
            for signal in state.signals.values()
            for piece in signal.pieces
        }
        estimated = compact_savings(archive)
    report = compact(path, codec=how)
    assert contents(path) == before
    assert sharing(path) == shared
    with h5py.File(path) as file:
        assert set(file["data"]) == named
    assert findings(path) == []
    if how is None:
        assert abs(estimated - (report.before - report.after)) < 8_000
    again = path.read_bytes()
    compact(path, codec=how)
    assert path.read_bytes() == again


# -- what it would save, how it goes, and the command line ----------------------------------------


def test_savings_are_told_before(worked: Path) -> None:
    with eegarchive.open(worked) as archive:
        assert compact_savings(archive) < 4_000
        remove(worked, "noisy", "copied")
        estimated = compact_savings(archive)
        report = compact(worked)
        assert abs(estimated - (report.before - report.after)) < 4_000
        assert estimated > 15_000
        assert compact_savings(archive) < 3_000


def test_savings_of_a_hundred_freezes_are_told_at_once(archives: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "night.h5"
    shutil.copy(archives["bdfplusc_mixed_rates_2s_records"], path)
    with eegarchive.edit(path) as night:
        for i in range(100):
            night.freeze(f"t{i}")
    with eegarchive.open(path) as archive:
        compact_savings(archive)
        began = time.perf_counter()
        compact_savings(archive)
        seconds = time.perf_counter() - began
    assert seconds < 0.2  # 15 ms on a quiet machine


def test_progress_adds_up_to_about_what_was_announced(child: None, worked: Path) -> None:
    for how in (None, "none", "fast"):
        told: list[int] = []
        announced = bytes_to_compact(worked)
        compact(worked, codec=how, progress=told.append)
        assert min(told) >= 0
        assert len(told) > 10
        assert 0.7 * announced < sum(told) < 1.5 * announced


def test_the_archive_digest_is_that_of_the_new_contents(worked: Path) -> None:
    remove(worked, "noisy")
    with eegarchive.open(worked) as archive:
        stated = archive.provenance["archive_digest"]
    assert compact(worked).left_out
    with h5py.File(worked) as file:
        found = digest.archive_digest(file)
    with eegarchive.open(worked) as archive:
        assert stated != archive.provenance["archive_digest"] == found


def test_the_commands_say_in_one_line_what_they_did(child: None, worked: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(main, ["compact", str(worked)])
    assert result.exit_code == 0
    assert result.output.startswith(f"{worked}: ")
    assert " kB -> " in result.output
    assert result.output.count("\n") == 1
    result = runner.invoke(main, ["recode", str(worked), "--codec", "none"])
    assert result.exit_code == 0
    assert result.output.endswith(", codec none\n")
    with eegarchive.open(worked) as archive:
        assert eegarchive.summarize(archive)["size"]["codec"] == "none"
    result = runner.invoke(main, ["recode", str(worked)])
    assert result.exit_code == 2
    worked.write_bytes(worked.read_bytes()[:-5000])
    result = runner.invoke(main, ["compact", str(worked)])
    assert result.exit_code == 1
    assert result.stderr.startswith("eegarchive: error: ")
    assert "It was left as it is" in result.stderr
