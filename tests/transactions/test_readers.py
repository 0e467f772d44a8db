"""Readers while others edit: the state before or after, never a mixture, and the new one at the next call."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import eegarchive
from eegarchive.storage import handles, locks

from . import nights
from .faults import Fault
from .processes import other_process
from .test_crashes import crash, files, steps


def copy_and_freeze(path: Path) -> None:
    """An edit that each reader can see."""
    with eegarchive.edit(path) as night:
        night.rename_annotations("Hypoxemia", text="low")
        night.signals["HR"].digital[0:10] = np.arange(10)
        night.copy_signal("HR", "copy")
        night.freeze("N2")


def in_a_child(check: Callable[[], bool]) -> bool:
    """Whether something holds in a forked child."""
    child = os.fork()
    if not child:
        signal.alarm(60)  # rather than hang
        try:
            os._exit(0 if check() else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_was_open_before_an_edit_sees_the_new_state_at_its_next_call(night: Path) -> None:
    with eegarchive.open(night) as archive, eegarchive.open(night, "spare") as frozen:
        old = archive.digest
        signal, table, freeze = archive.signals["HR"], archive.annotations, archive.freezes["base"]
        kept = (freeze.digest, freeze.signals["HR"].digital[:10].tolist(), frozen.digest)
        assert signal.digital[:10].tolist() != list(range(10))
        with eegarchive.edit(night) as edited:
            edited.signals["HR"].digital[0:10] = np.arange(10)
            edited.rename_annotations("Hypoxemia", text="low")
            assert archive.digest == old
            assert "low" not in table["text"]
            edited.freeze("N2")
        assert archive.digest != old
        assert signal.digital[:10].tolist() == list(range(10))
        assert "low" in table["text"]
        assert "N2" in archive.freezes
        assert archive.freezes["N2"].digest == archive.digest
        assert (freeze.digest, freeze.signals["HR"].digital[:10].tolist(), frozen.digest) == kept


def test_signals_and_freezes_that_an_edit_took_away_are_missed_by_name(night: Path) -> None:
    with eegarchive.open(night) as archive:
        signal, freeze = archive.signals["HR"], archive.freezes["spare"]
        with eegarchive.edit(night) as edited:
            edited.drop_signals(["HR"])
            edited.remove_freeze("spare")
        with pytest.raises(eegarchive.NotInArchive, match="no signal 'HR'; there are"):
            signal[:10]
        with pytest.raises(eegarchive.EEGArchiveError, match="spare"):
            freeze.signals["HR"]


def test_threads_see_one_state_or_the_other(night: Path) -> None:
    known, seen, wrong = set(), [set[str]() for _ in range(4)], []
    done = threading.Event()
    with eegarchive.open(night) as archive:
        known.add(archive.digest)

        def read(mine: set[str]) -> None:
            try:
                while not done.is_set():
                    mine.add(archive.digest)
                    archive.signals["HR"].digital[:]
                    time.sleep(0.005)
            except Exception as error:
                wrong.append(error)

        readers = [threading.Thread(target=read, args=(mine,)) for mine in seen]
        for reader in readers:
            reader.start()
        for i in range(5):
            with eegarchive.edit(night) as edited:
                edited.add_annotations([float(i)], [1.0], ["arousal"])
                known.add(edited.digest)
            last = archive.digest
        done.set()
        for reader in readers:
            reader.join()
        assert not wrong
        assert all(mine <= known for mine in seen)
        assert any(len(mine) > 1 for mine in seen)
        assert last == archive.digest


def test_threads_that_read_without_a_pause_let_an_edit_come_to_its_end(night: Path) -> None:
    done = threading.Event()
    with eegarchive.open(night) as archive:

        def read() -> None:
            while not done.is_set():
                archive.signals["HR"].digital[:]

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        try:
            with eegarchive.edit(night, timeout=3) as edited:
                edited.freeze("N2")
            assert "N2" in archive.freezes
        finally:
            done.set()
            for reader in readers:
                reader.join()


def test_a_forked_child_sees_edits_of_its_parent_and_the_other_way_round(night: Path) -> None:
    with eegarchive.open(night) as archive:
        old = archive.digest
        copy_and_freeze(night)
        new = archive.digest
        assert new != old
        assert in_a_child(lambda: archive.digest == new and "copy" in archive.signals)

        def edit_here() -> bool:
            with eegarchive.edit(night) as edited:
                edited.thaw("base")
            return archive.digest == archive.freezes["base"].digest

        assert in_a_child(edit_here)
        assert archive.digest == archive.freezes["base"].digest


def test_a_child_that_was_forked_before_an_edit_sees_it(night: Path) -> None:
    go, going = os.pipe()
    with eegarchive.open(night) as archive:
        old = archive.digest
        child = os.fork()
        if not child:
            signal.alarm(60)
            os.close(going)
            os.read(go, 1)
            os._exit(0 if archive.digest != old and "N2" in archive.freezes else 1)
        copy_and_freeze(night)
        os.write(going, b".")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(go)
    os.close(going)


def test_a_child_that_was_forked_inside_an_edit_keeps_no_lock(night: Path) -> None:
    go, going = os.pipe()
    with eegarchive.edit(night) as edited:
        edited.freeze("N2")
        child = os.fork()
        if not child:
            signal.alarm(60)
            os.close(going)
            os.read(go, 1)
            os._exit(0)
    with eegarchive.open(night) as archive:
        assert "N2" in archive.freezes
    with eegarchive.edit(night, timeout=0.2) as edited:
        edited.remove_freeze("N2")
    os.write(going, b".")
    os.waitpid(child, 0)
    os.close(go)
    os.close(going)


def test_a_child_that_was_forked_inside_an_edit_and_exits_writes_nothing(night: Path) -> None:
    """Its HDF5 has unwritten data too, and writes them when it ends."""
    code = """
with eegarchive.edit(path) as night:
    night.add_signal("computed", nights.noise(2_748), 0.25)
    child = os.fork()
    if not child:
        night._edited.h5.flush()
        sys.exit()
    os.waitpid(child, 0)
    night.add_signal("more", nights.noise(2_748)[::-1], 0.25)
    night.freeze("N2")
"""
    with other_process(code, night) as editor:
        assert editor.ended_well()
    assert nights.findings(night) == []
    with eegarchive.open(night) as archive:
        assert "N2" in archive.freezes


def test_another_process_sees_an_edit_at_its_next_call(night: Path) -> None:
    code = """
archive = eegarchive.open(path)
signal = archive.signals["HR"]
while True:
    say(f"{archive.digest} {'N2' in archive.freezes} {signal.digital[:10].sum()}")
    wait()
"""
    with other_process(code, night) as reader, eegarchive.open(night) as archive:
        before = reader.hear()
        assert before.startswith(f"{archive.digest} False")
        with eegarchive.edit(night) as edited:
            edited.signals["HR"].digital[0:10] = np.arange(10)
            edited.freeze("N2")
            reader.go_on()
            assert reader.hear() == before
        reader.go_on()
        assert reader.hear() == f"{archive.digest} True 45"


def test_no_reader_ever_sees_a_mixture(night: Path) -> None:
    with eegarchive.edit(night) as edited:
        edited.freeze("A")
        for name in list(edited.signals):
            signal = edited.signals[name].digital
            signal[:] = signal[:][::-1] // 2
        edited.rename_annotations("Hypoxemia", text="low")
        edited.freeze("B")
    writer = """
end = time.monotonic() + 3
edits = 0
while time.monotonic() < end:
    with eegarchive.edit(path) as night:
        night.thaw("AB"[edits % 2])
    edits += 1
say(edits)
"""
    reader = """
found = {}
with eegarchive.open(path) as archive:
    say("begun")
    while not select.select([sys.stdin], [], [], 0)[0]:
        seen = hashlib.sha256(archive.read(start=0, stop=2_000).tobytes()).hexdigest()
        found[seen] = found.get(seen, 0) + 1
        with archive._file.reading():
            content = nights._state(archive)
        found[content] = found.get(content, 0) + 1
say(" ".join(found))
"""
    expected = set()
    for tag in "AB":
        with eegarchive.open(night, tag) as state, state._file.reading():
            expected.add(hashlib.sha256(state.read(start=0, stop=2_000).tobytes()).hexdigest())
            expected.add(nights._state(state))
    assert len(expected) == 4
    with other_process(reader, night) as one, other_process(reader, night) as two:
        assert one.hear() == two.hear() == "begun"
        with other_process(writer, night) as editor:
            assert int(editor.hear()) >= 10
        for other in (one, two):
            other.go_on()
            assert set(other.hear().split()) == expected
    assert nights.findings(night) == []


PLAIN_READER = """
with h5py.File(path) as file:
    say(len(file["freezes"]))
    wait()
    say(len(file["freezes"]))
say("closed")
wait()
with h5py.File(path) as file:
    say(len(file["freezes"]))
"""


@pytest.mark.clause("J-2")
def test_plain_h5py_sees_the_old_file_and_keeps_the_commit_waiting(night: Path) -> None:
    with eegarchive.open(night) as archive:
        count = len(archive.freezes)
    with eegarchive.edit(night, timeout=30) as edited:
        edited.freeze("N2")
        assert len(nights.plain_content(night)) > 10
        with other_process(PLAIN_READER, night) as reader:
            assert reader.hear() == str(count)
            edited.freeze("N3")
            reader.go_on()
            assert reader.hear() == str(count)
            assert reader.hear() == "closed"
    with other_process(PLAIN_READER, night) as reader:
        assert reader.hear() == str(count + 2)
        old = night.read_bytes()
        what = rf"night\.h5: is open for reading in \S+ \(process {reader.id}\); close it"
        with pytest.raises(eegarchive.Locked, match=what), eegarchive.edit(night, timeout=0.3) as edited:
            edited.freeze("N4")
        assert night.read_bytes() == old
        assert list(night.parent.iterdir()) == [night]
        closing = threading.Timer(0.3, reader.go_on)
        closing.start()
        with eegarchive.edit(night, timeout=30) as edited:
            edited.freeze("N4")
        closing.join()
        assert reader.hear() == str(count + 2)
        assert reader.hear() == "closed"
        reader.go_on()
        assert reader.hear() == str(count + 3)
    assert nights.findings(night) == []


def test_a_plain_writer_that_slips_in_before_the_commit_is_not_overwritten(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the commit waits for readers it has no lock, so an h5py program can write."""
    real = locks.acquire

    def slip_in(descriptor: int, exclusive: bool, timeout: float) -> bool:
        if exclusive and os.path.samestat(os.fstat(descriptor), os.stat(night)):
            locks.release(descriptor)
            with h5py.File(night, "r+") as file:
                file["freezes"].attrs["foreign"] = 1
        return real(descriptor, exclusive, timeout)

    refused = pytest.raises(eegarchive.EEGArchiveError, match="changed by another program meanwhile")
    with refused, eegarchive.edit(night) as edited:
        edited.freeze("N2")
        monkeypatch.setattr(locks, "acquire", slip_in)
    monkeypatch.undo()
    with h5py.File(night) as file:
        assert file["freezes"].attrs["foreign"] == 1
        assert "N2" not in file["freezes"]


EDITOR = """
with eegarchive.edit(path) as night:
    night.freeze("mine")
    say("begun")
    wait()
"""


@pytest.mark.clause("J-2")
def test_a_second_writer_waits_or_hears_who_is_there(night: Path) -> None:
    with other_process(EDITOR, night) as first:
        assert first.hear() == "begun"
        what = rf"night\.h5: is being edited by process {first.id} on '.+' since '.+Z'; try again"
        with pytest.raises(eegarchive.Locked, match=what), eegarchive.edit(night, timeout=0.2):
            pass
        ending = threading.Timer(0.3, first.go_on)
        ending.start()
        with eegarchive.edit(night, timeout=30) as edited:
            assert "mine" in edited.freezes
            edited.freeze("yours")
        ending.join()
    assert list(night.parent.iterdir()) == [night]
    with eegarchive.open(night) as archive:
        assert {"mine", "yours"} <= set(archive.freezes)


@pytest.mark.clause("J-6")
def test_a_left_over_journal_where_one_may_not_write_is_respected_and_left(
    prepared: dict[str, bytes], night: Path
) -> None:
    """The reader is another user, in a folder that it may only read."""
    old = nights.content(night)
    code = """
nights.content(path)  # imports all there is to import
say("ready")
wait()
if not os.getuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
assert not os.access(path, os.W_OK)
say(sorted(nights.content(path).items()))
"""
    place = Path("/tmp") / f"eegarchive-test-{os.getpid()}"
    place.mkdir()
    try:
        path = place / "night.h5"
        path.write_bytes(prepared["gaps"])
        with other_process(code, path) as reader:
            assert reader.hear() == "ready"
            write_half(path, prepared["gaps"])
            left = files(place)
            assert left.keys() == {"night.h5", "night.h5-journal", "night.h5-lock"}
            for file in place.iterdir():
                file.chmod(0o444)
            place.chmod(0o555)
            reader.go_on()
            assert reader.hear() == str(sorted(old.items()))
            assert files(place) == left
    finally:
        place.chmod(0o755)
        shutil.rmtree(place)


def write_half(path: Path, old: bytes) -> None:
    """Crash in the middle of what a commit overwrites."""
    change = nights.OPERATIONS["several"].change
    log = steps(path, change)
    path.write_bytes(old)
    crash(path, change, Fault(log.index("create") + 7, "sectors"))


@pytest.mark.clause("J-1")
def test_an_exception_inside_leaves_the_file_byte_for_byte(night: Path) -> None:
    old = night.read_bytes()
    with pytest.raises(ZeroDivisionError), eegarchive.edit(night) as edited:
        edited.add_signal("computed", nights.noise(2_748), 0.25)
        edited.freeze("N2")
        edited.thaw("base")
        _ = 1 / 0
    assert files(night.parent) == {"night.h5": old}
    with pytest.raises(eegarchive.EEGArchiveError, match="the edit has ended"):
        edited.freeze("N3")


def test_an_operation_that_fails_has_changed_nothing_and_the_edit_goes_on(night: Path) -> None:
    with eegarchive.edit(night) as edited:
        before = (edited.digest, list(edited.signals), len(edited.history), list(edited.freezes))
        failing: list[Callable[[], object]] = [
            lambda: edited.mask(keep="nothing"),
            lambda: edited.mask(drop_epochs=[100_000]),
            lambda: edited.drop_signals(["nothing"]),
            lambda: edited.set_signal("HR", sampling_rate=3.0),
            lambda: edited.write_samples("HR", 2_740, np.zeros(100)),
            lambda: edited.add_signal("short", nights.noise(3), 0.25),
            lambda: edited.resample(1e9, ["HR"]),
            lambda: edited.filter(1, 2, ["HR"]),
            lambda: edited.import_annotations(night.parent / "nothing.csv"),
            lambda: edited.drop_annotations("nothing"),
            lambda: edited.rename_annotations("nothing", text="something"),
            lambda: edited.freeze("base"),
            lambda: edited.freeze("source"),
            lambda: edited.freeze("a/b"),
            lambda: edited.thaw("nothing"),
            lambda: edited.thaw("source", remove=True),
            lambda: edited.remove_freeze("nothing"),
            lambda: edited.remove_freeze("source"),
        ]
        for number, operation in enumerate(failing):
            with pytest.raises((eegarchive.EEGArchiveError, ValueError, OSError)):
                operation()
            now = (edited.digest, list(edited.signals), len(edited.history), list(edited.freezes))
            assert now == before, number
        edited.freeze("N2")
    assert nights.findings(night) == []
    with eegarchive.open(night) as archive:
        assert archive.digest == before[0]
        assert "N2" in archive.freezes


@pytest.mark.clause("J-9")
def test_an_archive_that_is_replaced_while_it_is_open_is_read_anew(
    night: Path, prepared: dict[str, bytes]
) -> None:
    other = night.with_name("other.h5")
    other.write_bytes(prepared["short"])
    with eegarchive.open(night) as archive, eegarchive.open(night) as second:
        assert "HR" in archive.signals
        os.replace(other, night)
        assert "HR" not in archive.signals
        assert len(archive.signals) == len(second.signals) == 2
        with eegarchive.edit(night) as edited:
            edited.freeze("N2")
        assert "N2" in archive.freezes
        assert "N2" in second.freezes


def test_threads_read_on_while_the_archive_is_replaced_again_and_again(
    night: Path, prepared: dict[str, bytes]
) -> None:
    sizes = {"gaps": 3, "short": 2}
    wrong: list[object] = []
    done = threading.Event()
    other = night.with_name("other.h5")
    with eegarchive.open(night) as archive, eegarchive.open(night) as second:
        assert len(archive.signals) == sizes["gaps"] + 1

        def read() -> None:
            try:
                while not done.is_set():
                    if len(archive.signals) not in (2, 4) or len(second.signals) not in (2, 4):
                        wrong.append("another file")
            except Exception as error:
                wrong.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for i in range(200):
            other.write_bytes(prepared["short" if i % 2 == 0 else "gaps"])
            os.replace(other, night)
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        assert len(archive.signals) == 4
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    assert not [link for link in links if link.is_symlink() and str(night) in os.readlink(link)]


def test_an_archive_that_is_renamed_while_it_is_open_is_read_on(night: Path) -> None:
    moved = night.with_name("moved.h5")
    with eegarchive.open(night) as archive:
        digest, samples = archive.digest, archive.signals["HR"].digital[:].tolist()
        night.rename(moved)
        assert archive.digest == digest
        assert archive.signals["HR"].digital[:].tolist() == samples
        copy_and_freeze(moved)
        with eegarchive.open(moved) as again:
            assert "N2" in again.freezes


def test_an_archive_that_is_renamed_inside_an_edit_is_not_changed(night: Path) -> None:
    old, moved = night.read_bytes(), night.with_name("moved.h5")
    refused = pytest.raises(eegarchive.EEGArchiveError, match="changed by another program")
    with refused, eegarchive.edit(night) as edited:
        edited.freeze("N2")
        night.rename(moved)
    assert files(night.parent) == {"moved.h5": old}


@pytest.mark.clause("J-2")
def test_a_reader_lets_a_waiting_commit_go_first(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "GIVE_WAY_SECONDS", 60.0)
    has_read = threading.Event()
    with eegarchive.open(night) as archive:
        reader = threading.Thread(target=lambda: (archive.digest, has_read.set()))
        with locks.only_writer(night, 0.0):
            locks.announce_commit(night)
            reader.start()
            assert not has_read.wait(0.3)
        assert has_read.wait(30)
        reader.join()
