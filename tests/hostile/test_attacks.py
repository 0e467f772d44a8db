"""Each hostile archive, by every way into the package: refused with one line, or nothing of it matters.

Each is used in a child process that may open nothing outside its folder, use 1 GiB of memory and take 10 s. What HDF5
itself opens is watched by `test_opening`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from fuzzing import running, uses

import eegarchive
from eegarchive.errors import describe

from . import attacks, byte_attacks
from .conftest import some

WAYS = {**uses.READING, "edit": uses.edit, "remove": uses.remove}
#: Of these each attack is tried in one, and in some verbs of the command line.
MORE = {name: use for name, use in {**uses.SLOW, "compact": uses.compact}.items() if name != "verbs"}


@pytest.fixture(scope="module")
def good(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good archive, and files that nothing of ours has to read."""
    folder = tmp_path_factory.mktemp("good")
    path = Path(shutil.copy(archives["edf_trailing_byte_bad_date"], folder / "night.h5"))
    with eegarchive.edit(path) as night:
        night.set_epochs(10)
        night.describe(age=40, sex="f")
        night.cache["own"].put("a", 1.0, CH="3Hz")
        night.freeze("A")
        night.prepare_windows("w", 5.0, picks=list(night.signals)[:1])
    warm = Path(shutil.copy(path, tmp_path_factory.mktemp("warm")))
    use_all(warm, [], {**MORE, **WAYS})  # imports what the children need
    uses.verbs(warm, warm.parent, [verb for verb in uses.VERBS if " -o " not in verb])
    return folder


def lay(good: Path, tmp_path: Path) -> Path:
    """A copy of the good archive in a folder of its own, and the secrets."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    path = Path(shutil.copy(good / "night.h5", tmp_path / "inside" / "night.h5"))
    shutil.copy(path, path.with_name(attacks.BESIDE))
    shutil.copy(path, tmp_path / "outside" / "secret.h5")
    (tmp_path / attacks.SECRET).write_bytes(b"secret" * 20_000)
    return path


def use_all(path: Path, said: list[str], ways: dict[str, uses.Use]) -> None:
    """Use an archive by each way; what is refused is noted."""
    for use in ways.values():
        try:
            uses.quietly(use, path, path.parent)
        except eegarchive.EEGArchiveError as error:
            said.append(str(error).partition("\n")[0])
    assert [text for text in said if not re.fullmatch(r"[^\x00-\x1f\x7f\u202e\u2028]+", text)] == []


def survive(path: Path, name: str) -> running.Outcome:
    """Use a hostile archive, made by the attack of a name, in a child that is watched; it may not be harmed."""
    more = {way: MORE[way] for way in some(name, list(MORE), 1)}
    verbs = some(name, uses.VERBS, 1)

    def job(stage: object) -> None:
        said: list[str] = []
        assert callable(stage)
        stage("verbs")
        uses.verbs(path, path.parent, [verb for verb in verbs if verb not in uses.VERBS[-4:]])
        for way, use in {**more, **WAYS}.items():
            stage(way)
            use_all(path, said, {way: use})
        stage("verbs that change it")
        uses.verbs(path, path.parent, [verb for verb in verbs if verb in uses.VERBS[-4:]])

    outcome = running.run(job, path.parent)
    assert outcome.is_fine, outcome
    return outcome


@pytest.mark.usefixtures("checks_here")
@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_an_attack(name: str, good: Path, tmp_path: Path) -> None:
    path = lay(good, tmp_path)
    attacks.spoil(path, name)
    survive(path, name)
    assert (tmp_path / attacks.SECRET).read_bytes() == b"secret" * 20_000


@pytest.mark.usefixtures("checks_here")
@pytest.mark.parametrize("name", attacks.AROUND)
def test_an_attack_beside_the_archive(name: str, good: Path, tmp_path: Path) -> None:
    path = lay(good, tmp_path)
    attacks.AROUND[name](path)
    survive(path, name)
    assert (tmp_path / attacks.SECRET).read_bytes() == b"secret" * 20_000


@pytest.mark.usefixtures("checks_here")
@pytest.mark.parametrize("name", byte_attacks.ATTACKS)
def test_an_attack_of_bytes(name: str, good: Path, tmp_path: Path) -> None:
    path = lay(good, tmp_path)
    change, said = byte_attacks.ATTACKS[name]
    change(path)
    assert said in "".join(finding.message for finding in uses.check(path, tmp_path))
    survive(path, name)


def test_the_good_archive_is_used_by_every_way(good: Path, tmp_path: Path) -> None:
    path = lay(good, tmp_path)
    said: list[str] = []
    use_all(path, said, {**MORE, **WAYS})
    assert said == []


def test_the_good_archive_is_used_by_every_verb(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lay(good, tmp_path)
    monkeypatch.chdir(path.parent)
    codes = dict(zip(uses.VERBS, uses.verbs(path, path.parent), strict=True))
    assert [verb for verb, code in codes.items() if code] == ["diff {}@source {}"]  # they differ


@pytest.mark.clause("G-10")
def test_many_members_attributes_and_deep_groups_are_refused(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lay(good, tmp_path)
    for module, limit in (("guard", "MAX_MEMBERS"), ("objects", "MAX_ATTRIBUTES"), ("guard", "MAX_DEPTH")):
        with monkeypatch.context() as patch:
            patch.setattr(f"eegarchive.storage.{module}.{limit}", 1)
            (finding, *_) = [found for found in uses.check(path, tmp_path) if found.severity == "error"]
            assert re.search(r"members|attributes|lies in 1 groups", finding.message)


@pytest.mark.clause("G-11")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_a_file_is_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "night.h5"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    for use in (eegarchive.open, eegarchive.verify, lambda path: eegarchive.edit(path).__enter__()):
        with pytest.raises((eegarchive.EEGArchiveError, IsADirectoryError)) as caught:
            use(path)
        assert re.search(r"(night\.h5|zero): [Ii]s", describe(caught.value))


def test_untrusted_files_are_checked_within_limits(good: Path, tmp_path: Path) -> None:
    path = lay(good, tmp_path)
    assert eegarchive.verify(path, untrusted=True) == []
    path.with_name("night.h5-journal").write_bytes(b"")
    (finding,) = eegarchive.verify(path, untrusted=True)
    assert finding.path == "journal"
    assert path.with_name("night.h5-journal").exists()


def test_time_and_memory_of_an_untrusted_check_end(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lay(good, tmp_path)
    for harm, message in (("while True: pass", "processor|end within"), ("bytearray(2**31)", "failed")):
        (tmp_path / "sitecustomize.py").write_text(
            "import os, sys\nif 'eegarchive.check' in sys.orig_argv:\n    import eegarchive.check as check\n"
            "    check._limit(int(sys.orig_argv[-1].partition('=')[2]))\n"
            f"    try:\n        {harm}\n    finally:\n        os._exit(1)\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr("eegarchive.verification._LEAST_SECONDS", 2.0)
        found = eegarchive.verify(path, untrusted=True)
        assert any(re.search(message, finding.message) for finding in found), found
