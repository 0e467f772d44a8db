"""Each hostile file of an exchange, by every way that reads, attaches, packs or replays: refused with one line.

Of each attack `LEAST` says which ways have to refuse it; none may open a file outside of the folder.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from fuzzing import running, uses

import eegarchive

from . import exchange_attacks as corpus
from .conftest import opened_by, some
from .exchange_attacks import ATTACHED, ATTACKS, BASE, DETACHED, LEAST, OTHER

#: An archive that takes the freeze in.
LAB = "lab.h5"
Way = Callable[[Path], object]


@pytest.fixture(scope="module")
def labs(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good files of an exchange, and one outside of it."""
    root = tmp_path_factory.mktemp("exchange")
    folder, outside = root / "inside", root / "outside"
    folder.mkdir()
    outside.mkdir()
    source = archives["edf_trailing_byte_bad_date"]
    worked = Path(shutil.copy(source, outside / BASE))
    with eegarchive.edit(worked) as night:
        night.set_epochs(10)
        night.freeze("M")
        night.copy_signal(next(iter(night.signals)), "copy")
        night.signals["copy"].digital[10:13] = [1, 2, 3]
        night.cache["own"].put("a", 1.0, CH="copy")
        night.freeze("N2")
    for name in (BASE, ATTACHED):
        shutil.copy(source, folder / name)
    eegarchive.detach(f"{worked}@N2", folder / DETACHED)
    eegarchive.detach(f"{worked}@M", folder / OTHER)
    eegarchive.attach(folder / ATTACHED, folder / DETACHED)
    os.mkfifo(folder / "pipe.h5")
    (folder / "device.h5").symlink_to("/dev/zero")
    shutil.copy(folder / DETACHED, outside / "N2.h5")
    worked.rename(outside / "same.h5")
    shutil.copy(archives["edfplusc_duplicate_labels"], outside / "secret.h5")
    (outside / "secret.txt").write_bytes(b"secret" * 20_000)
    warm = lay(root, tmp_path_factory.mktemp("warm"), None)
    use(warm, set(EVERY) - set(HASHES))  # imports what the children need
    uses.verbs(warm / DETACHED, warm, VERBS[:7])
    return root


def lay(labs: Path, tmp_path: Path, attack: str | None) -> Path:
    """A copy of the good files, one of them spoilt; the folder."""
    shutil.copytree(labs / "outside", tmp_path / "outside")
    folder = tmp_path / "inside"
    folder.mkdir()
    for path in (labs / "inside").iterdir():
        if path.is_fifo():
            os.mkfifo(folder / path.name)
        else:
            shutil.copy(path, folder / path.name, follow_symlinks=False)
    shutil.copy(folder / BASE, tmp_path / "outside" / LAB)
    if attack is not None:
        ATTACKS[attack](folder)
    return folder


def _reading(way: uses.Use, name: str) -> Way:
    return lambda folder: way(folder / name, folder)


def _attach(copy: bool) -> Way:
    def attach(folder: Path) -> None:
        lab = Path(shutil.copy(folder / BASE, folder / LAB))  # a base that may be spoilt
        try:
            eegarchive.attach(lab, folder / DETACHED, copy=copy, timeout=1.0)
        finally:
            lab.unlink()

    return attach


def _export(folder: Path) -> None:
    eegarchive.export(folder / DETACHED, folder / "out.edf", overwrite=True)


def _read_freeze(folder: Path) -> None:
    with eegarchive.open(folder / ATTACHED, "N2") as archive:
        for signal in archive.signals.values():
            signal.digital[:], signal.attributes


def _raw_freeze(folder: Path) -> None:
    with eegarchive.open(folder / ATTACHED) as archive:
        rates = sorted({signal.sampling_rate for signal in archive.freezes["N2"].signals.values()})
    eegarchive.read_raw(folder / ATTACHED, "N2", preload=True, rate=rates[0], verbose="ERROR")


def _check(name: str) -> Way:
    def check(folder: Path) -> None:
        errors = [found for found in uses.check(folder / name, folder) if found.severity == "error"]
        if errors:
            raise eegarchive.InvalidArchive(f"{errors[0].path}: {errors[0].message}")

    return check


#: Each takes samples of the detached file.
SAMPLES: dict[str, Way] = {
    "read": _reading(uses.read, DETACHED),
    "export": _export,
    "raw": _reading(uses.raw, DETACHED),
    "pack": _reading(uses.pack, DETACHED),
    "check": _check(DETACHED),
}
HASHES: dict[str, Way] = {
    "pack": SAMPLES["pack"],
    "check": SAMPLES["check"],
    "attach": _attach(copy=False),
    "attach a copy": _attach(copy=True),
}
OPENING: dict[str, Way] = {
    **SAMPLES,
    **HASHES,
    **{use.__name__: _reading(use, DETACHED) for use in (uses.info, uses.history, uses.export_tables)},
    **{use.__name__: _reading(use, DETACHED) for use in (uses.read_seconds, uses.windows, uses.replay)},
    **{use.__name__: _reading(use, DETACHED) for use in (uses.manifest,)},
}
ATTACHING: dict[str, Way] = {
    "read attached": _read_freeze,
    "raw attached": _raw_freeze,
    "check attached": _check(ATTACHED),
    "pack attached": _reading(uses.pack, ATTACHED),
}
OTHERS: dict[str, Way] = {
    use.__name__ + " the archive": _reading(use, ATTACHED)
    for use in (uses.read, uses.info, uses.history, uses.manifest, uses.edit, uses.remove)
}
EVERY: dict[str, Way] = {**OPENING, **ATTACHING, **OTHERS}
REFUSING = {
    "open": set(OPENING),
    "samples": set(SAMPLES),
    "hashes": set(HASHES),
    "attached": set(ATTACHING),
    "check": set(HASHES) - {"pack"},
    "whole": {"pack"},
    "archive": {"check attached", "read the archive"},
    "none": set(),
}
#: Shown by the command line, for files that are refused and for those that aren't.
VERBS = (
    *(
        "info {}",
        "info {} --json",
        "freezes {}",
        "freezes {} --json",
        "history {}",
        "signals {}",
        "digest {}",
    ),
    *("verify {} --portable", "verify {}", "pack {} -o packed.h5 --overwrite", "replay {}"),
)


def use(folder: Path, ways: Collection[str] = EVERY) -> dict[str, str]:
    """Use the files in these ways; what each refusal says."""
    said: dict[str, str] = {}
    for name, way in EVERY.items():
        if name not in ways:
            continue
        if name in {**ATTACHING, **OTHERS} and not (folder / ATTACHED).exists():
            continue
        if name.startswith("attach") and not (folder / BASE).is_file():
            said[name] = "there is none to attach it to"
            continue
        try:
            uses.quietly(lambda path, _, way=way: way(path), folder, folder)
        except (eegarchive.EEGArchiveError, IsADirectoryError) as error:
            said[name] = str(error).partition("\n")[0]
    return said


def watched(folder: Path, job: Callable[[], None]) -> None:
    """Run a job in a child that may open nothing outside of the folder."""

    def staged(stage: Callable[[str], None]) -> None:
        stage("use")
        job()

    outcome = running.run(staged, folder)
    assert outcome.is_fine, outcome


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.usefixtures("checks_here")
def test_an_attack(name: str, labs: Path, tmp_path: Path) -> None:
    folder = lay(labs, tmp_path, name)
    is_of_archive = LEAST[name] in ("attached", "archive")
    ways = REFUSING[LEAST[name]] | set(some(name, sorted(EVERY), 2))
    before = {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()}

    def job() -> None:
        said = use(folder, ways)
        assert all(
            re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028]+", text) for text in said.values()
        ), said
        if missing := REFUSING[LEAST[name]] - set(said):
            raise AssertionError(f"not refused by {sorted(missing)}; {said}")
        uses.verbs(folder / (ATTACHED if is_of_archive else DETACHED), folder, some(name, VERBS, 1))

    watched(folder, job)
    assert {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()} == before


@pytest.mark.usefixtures("checks_here")
def test_the_good_files_are_used_by_every_way(labs: Path, tmp_path: Path) -> None:
    folder = lay(labs, tmp_path, None)

    def job() -> None:
        assert use(folder) == {}
        assert set(uses.verbs(folder / DETACHED, folder, VERBS)) == {0, 1}  # not portable

    watched(folder, job)


@pytest.mark.parametrize("name", ["a link", "a link to text", "a link to another recording"])
def test_a_base_that_is_a_link(name: str, labs: Path, tmp_path: Path) -> None:
    """A folder of somebody else may have links: what they lead to is believed by its contents alone."""
    folder = lay(labs, tmp_path, None)
    corpus.alone(folder)
    target = {"a link": "same.h5", "a link to text": "secret.txt"}.get(name, "secret.h5")
    (folder / BASE).unlink()
    (folder / BASE).symlink_to(tmp_path / "outside" / target)
    with eegarchive.open(folder / DETACHED) as found:
        if name == "a link":
            assert found.signals["copy"].digital[10] == 1
            return
        assert found.base is None
        with pytest.raises(eegarchive.MissingBase) as caught:
            found.signals["copy"].digital[:]
    assert "secretsecret" not in str(caught.value)


def test_an_untrusted_check_leaves_the_base_as_it_is(labs: Path, tmp_path: Path) -> None:
    folder = lay(labs, tmp_path, None)
    corpus.alone(folder)
    journal = folder / f"{BASE}-journal"
    journal.write_bytes(b"")
    before = (folder / BASE).read_bytes()
    assert eegarchive.verify(folder / DETACHED, untrusted=True) == []
    assert (folder / BASE).read_bytes() == before
    assert journal.exists()


SCRIPT = """
import sys
from pathlib import Path
from hostile import test_exchange
for folder in sys.argv[1:]:
    test_exchange.use(Path(folder))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace isn't installed")
def test_hdf5_opens_no_other_file(labs: Path, tmp_path: Path) -> None:
    naming = ("link_of_a_signal['by an", "attached['by an abs")
    folders = []
    for number, name in enumerate(name for name in ATTACKS if name.startswith(naming)):
        (tmp_path / str(number)).mkdir()
        folders.append(lay(labs, tmp_path / str(number), name))
    assert len(folders) == len(naming)
    tests = Path(__file__).parents[1]
    opened = opened_by(SCRIPT, folders, f"{tests.parent / 'tools'}:{tests}", tmp_path / "log")
    assert {str(folder / DETACHED) for folder in folders} <= opened
    assert not [path for path in opened if "/outside/" in path]
