"""Archives with states, notes, caches and more: everything is carried over, or gone."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from edf.builder import Recording, Signal, annotations, tal

import eegarchive
from eegarchive import conversion
from eegarchive.anonymizing import archives as anonymizing
from eegarchive.cli import main

from .leaks import leaks

#: Each a word of its own, so that finding one tells where it is from.
NAMES = [
    "Haagse", "Vogelcache", "Vogelfactor", "Zieglervalue", "Harry", "0234567", "16-SEP-1937", "Telemetry",
    "Schmidtelectrode", "Grubernote", "Weissscorer",
    "Braundevice", "Langecomment", "Kochtext", "Wolfkind", "Bauerbids", "Schulzfile", "Fuchsmade",
    "Krauseset", "Hahnwindows", "Meiertail", "Roththing", "2002-03-02", "02.03.02", "02-MAR-2002", "Baumseen",
]  # fmt: skip


@pytest.fixture
def night(made: Path, tmp_path: Path) -> Path:
    """A copy of the archive below, with the files around it."""
    for path in made.parent.iterdir():
        shutil.copy2(path, tmp_path)
    return tmp_path / made.name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in which every text that a person can give is a name; of all kinds of states."""
    tmp_path = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    content = rng.integers(-2000, 2000, 60 * 100).tolist()
    told = {
        0: tal(1, "Langecomment") + tal(2, "Sleep stage W", duration=30),
        5: tal(9, "Arousal@@Langecomment"),
    }
    recording = Recording(
        [
            Signal(
                "EEG C3-M2", 100, content, {"transducer": b"Schmidtelectrode", "reserved": b"Braundevice"}
            ),
            Signal("EMG chin", 10, fields={"transducer": b"Schmidtelectrode"}),
            annotations(*(tal(i) + told.get(i, b"") for i in range(60)), width=60),
        ],
        num_records=60,
        reserved="EDF+C",
        fields={
            "patient": b"MCH-0234567 F 16-SEP-1937 Haagse_Harry",
            "recording": b"Startdate 02-MAR-2002 PSG-1234 NN Telemetry03",
            "startdate": b"02.03.02",
        },
        tail=b"Meiertail",
    )
    source = tmp_path / "Schulzfile.edf"
    source.write_bytes(recording.build())
    path = tmp_path / "night.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eegarchive.convert(
            source, path, description={"subject": "Bauerbids", "age": 64, "sex": "F"}, codec="none"
        )
    (tmp_path / "Krauseset.csv").write_text("onset,duration,text\n3,1,Kochtext\n4,1,Hypopnea\n")
    with eegarchive.edit(path) as archive:
        archive.add_annotations([5], [1], ["Baumseen"], kind=["Wolfkind"], annotation_set="Weissscorer")
        archive.import_annotations(tmp_path / "Krauseset.csv")
        archive.freeze("Fuchsmade", note="Grubernote")
        archive.set_epochs(10)
        archive.mask(keep_epochs="2-4")
        archive.restructure()
        archive.filter(1, 20, ["EEG C3-M2"])
        archive.set_signal("EMG chin", remark="Roththing", bad=1, kind="Wolfkind", transducer="Roththing")
        archive.cache["Vogelcache"].put("Vogelfactor", "Zieglervalue", CH="EMG chin")
        archive.freeze("N2", note="seen by Grubernote")
        archive.cache.clear()
        archive.copy_signal("EMG chin", "EMG again")
        archive.prepare_windows("Hahnwindows", 2.0, picks=["EEG C3-M2"])
    return path


def scrubbed(path: Path, target: Path, **options: object) -> eegarchive.AnonymizeReport:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return eegarchive.anonymize(path, target, **options)  # type: ignore[arg-type]


def old_digests(path: Path) -> set[str]:
    """Every digest of an archive but those of samples alone, which stay."""
    found: set[str] = set()
    with h5py.File(path, "r") as h5:

        def take(_: str, thing: h5py.Group | h5py.Dataset) -> None:
            found.update(
                str(v.decode())
                for k, v in thing.attrs.items()
                if k != "samples_sha256" and isinstance(v, bytes) and len(v) == 64
            )

        h5.visititems(take)
        take("", h5)
        found |= set(h5["data"])
        for row in h5["history"][()]:
            found |= {row["digest_before"].decode(), row["digest_after"].decode()}
    return found - {""}


@pytest.mark.clause("R-10")
def test_nothing_of_a_person_is_found_in_any_form(night: Path, tmp_path: Path) -> None:
    assert {name for name in NAMES if any(f"{name!r}" in leak for leak in leaks(night, [name]))} >= set(NAMES) - {
        "2002-03-02",
    }  # fmt: skip
    report = scrubbed(night, tmp_path / "out.h5")
    assert leaks(tmp_path / "out.h5", [*NAMES, *old_digests(night), str(tmp_path), os.uname().nodename]) == []
    assert eegarchive.verify(tmp_path / "out.h5") == []
    assert report.tags == {"Fuchsmade": "freeze-1", "N2": "freeze-2"}
    with eegarchive.open(tmp_path / "out.h5") as archive:
        assert (
            archive.provenance["anonymized"]
            == f"eegarchive {eegarchive.__version__}: dates from 1985-01-01 on"
        )
        assert archive.provenance["source_name"] == "anonymized.edf"
        assert archive.provenance["git_commit"] == "not available"
        assert not {"command", "host_python", "git_status", "seed"} & set(archive.provenance)
        assert archive.description == {}
        assert set(archive.freezes) == {"source", "freeze-1", "freeze-2"}
        assert archive.digest == report.digest


def test_every_state_has_the_same_samples_times_and_masks(night: Path, tmp_path: Path) -> None:
    report = scrubbed(night, tmp_path / "out.h5")
    with eegarchive.open(night) as old, eegarchive.open(tmp_path / "out.h5") as new:
        pairs = [
            (old, new),
            *((old.freezes[a], new.freezes[b]) for a, b in {**report.tags, "source": "source"}.items()),
        ]
        for before, after in pairs:
            assert list(before.signals) == list(after.signals)
            for name, signal in before.signals.items():
                again = after.signals[name]
                assert again.dtype == signal.dtype
                np.testing.assert_array_equal(again.digital[:], signal.digital[:])
                np.testing.assert_array_equal(again[:], signal[:])
                assert (again.sampling_rate, again.units, again.label) == (
                    signal.sampling_rate,
                    signal.units,
                    signal.label,
                )
            np.testing.assert_array_equal(before.segments.rows(), after.segments.rows())
            np.testing.assert_array_equal(before.epochs.rows(), after.epochs.rows())
            for column in ("onset", "duration"):
                np.testing.assert_array_equal(before.annotations[column], after.annotations[column])
            assert after.start == datetime.datetime(1985, 1, 1, 16, 13)
        assert new.signals["EMG chin"].attributes["bad"] == 1
        assert new.signals["EMG chin"].kind == "misc"
        assert len(new.signals["EMG again"].pieces) == len(old.signals["EMG again"].pieces)
        shown = sorted(
            zip(new.annotations["onset"], new.annotations["text"], new.annotations["set"], strict=True)
        )
        assert shown == [
            (1, "removed", "edf"),
            (2, "Sleep stage W", "edf"),
            (3, "removed", "set-1"),
            (4, "Hypopnea", "set-1"),
            (5, "removed", "set-2"),
            (9, "Arousal", "edf"),
        ]


def test_the_history_is_a_new_one_that_leads_to_every_state(night: Path, tmp_path: Path) -> None:
    scrubbed(night, tmp_path / "out.h5", shift_days=777, keep=["age"])
    with eegarchive.open(tmp_path / "out.h5") as archive:
        done = [operation.operation for operation in eegarchive.history(archive)]
        assert done == ["convert", "anonymize", "freeze", "anonymize", "freeze", "anonymize"]
        assert set(archive.history["parameters"][1::2]) == {'{"dates": "shifted", "keep": ["age"]}'}
        for tag in ("freeze-1", "freeze-2", "source"):
            assert eegarchive.history(archive, tag)[-1].digest_after == archive.freezes[tag].digest
        assert archive.start == datetime.datetime(2002, 3, 2, 16, 13) + datetime.timedelta(777)
        assert archive.description == {"age": 64}
        assert archive.freezes.columns()["tag"] == ["source", "freeze-1", "freeze-2"]
    with eegarchive.edit(tmp_path / "out.h5") as archive:
        archive.thaw("freeze-1")
    assert eegarchive.verify(tmp_path / "out.h5") == []


def test_it_is_what_converting_the_scrubbed_recording_gives(night: Path, tmp_path: Path) -> None:
    scrubbed(night, tmp_path / "out.h5")
    eegarchive.export(f"{tmp_path / 'out.h5'}@source", tmp_path / "out.edf")
    again = eegarchive.convert(tmp_path / "out.edf", tmp_path / "again.h5")
    direct = eegarchive.convert(
        tmp_path / "Schulzfile.edf", tmp_path / "direct.h5", anonymize=eegarchive.Anonymization(), bids=False
    )
    with eegarchive.open(tmp_path / "out.h5") as archive:
        assert archive.freezes["source"].digest == again.digest == direct.digest
        assert archive.provenance["source_sha256"] == again.source_sha256 == direct.source_sha256
    assert leaks(tmp_path / "direct.h5", NAMES) == []


def test_anonymizing_twice_changes_no_state(night: Path, tmp_path: Path) -> None:
    first = scrubbed(night, tmp_path / "a.h5")
    second = scrubbed(tmp_path / "a.h5", tmp_path / "b.h5")
    assert first.digest == second.digest
    assert [item.where for item in second.items("changed")] == []


def test_the_codec_stays_and_what_is_asked_for_is_kept(night: Path, tmp_path: Path) -> None:
    report = scrubbed(
        night, tmp_path / "out.h5", keep=["sex", "subject"], keep_annotations=["Lange*"], keep_tags=True
    )
    assert report.tags == {"Fuchsmade": "Fuchsmade", "N2": "N2"}
    with eegarchive.open(tmp_path / "out.h5") as archive:
        assert archive.description == {"subject": "Bauerbids", "sex": "F"}
        assert archive.edf_header["local_patient_identification"] == "X F X X"
        assert "Langecomment" in archive.annotations["text"]
        assert eegarchive.summarize(archive)["size"]["codec"] == "none"


def test_an_age_above_ninety_is_ninety(night: Path, tmp_path: Path) -> None:
    with eegarchive.edit(night) as archive:
        archive.describe(age=97)
    scrubbed(night, tmp_path / "out.h5", keep=["age"])
    with eegarchive.open(tmp_path / "out.h5") as archive:
        assert archive.description == {"age": 90}


def test_a_dry_run_lists_everything_and_writes_nothing(night: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    report = eegarchive.anonymize(night, dry_run=True)
    assert sorted(os.listdir(tmp_path)) == before
    assert report.target is None
    assert report.reviewed == scrubbed(night, tmp_path / "out.h5").reviewed
    gone = {(item.where, item.value) for item in report.reviewed if item.fate != "kept"}
    assert gone >= {
        ("patient", "MCH-0234567 F 16-SEP-1937 Haagse_Harry"),
        ("transducer", "Schmidtelectrode"),
        ("annotation", "Baumseen"),
        ("annotation set", "Weissscorer"),
        ("attribute remark of a signal", "Roththing"),
        ("note", "Grubernote"),
        ("tag", "Fuchsmade"),
        ("windows", "Hahnwindows"),
        ("cache", "Vogelcache"),
        ("description: subject", "Bauerbids"),
        ("source file", "Schulzfile.edf"),
        ("bytes behind the records", "9: 'Meiertail'"),
    }
    assert {item.value for item in report.items("kept")} >= {
        "EEG C3-M2",
        "uV",
        "HP:0.1Hz LP:75Hz",
        "Hypopnea",
    }


# -- what is refused --------------------------------------------------------------------------------


def test_the_archive_itself_is_never_the_target(night: Path) -> None:
    before = night.read_bytes()
    with pytest.raises(eegarchive.EEGArchiveError, match="is the input itself"):
        eegarchive.anonymize(night, night, overwrite=True)
    with pytest.raises(eegarchive.EEGArchiveError, match="name the archive to write"):
        eegarchive.anonymize(night)
    with pytest.raises(eegarchive.EEGArchiveError, match="as a whole"):
        eegarchive.anonymize(f"{night}@N2", night.with_name("a.h5"))
    (night.parent / "there.h5").write_text("precious")
    with pytest.raises(eegarchive.TargetExists):
        eegarchive.anonymize(night, night.parent / "there.h5")
    assert night.read_bytes() == before


def damage(path: Path) -> None:
    with open(path, "rb+") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 16]))


@pytest.mark.parametrize("module", [conversion, anonymizing])
def test_what_is_damaged_on_the_way_leaves_no_file(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    monkeypatch.setattr(module, "drop_from_memory", damage)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises((eegarchive.VerificationFailed, eegarchive.InvalidArchive)):
        eegarchive.anonymize(night, tmp_path / "out.h5")
    assert sorted(os.listdir(tmp_path)) == before


def test_files_that_need_others_are_refused(night: Path, tmp_path: Path) -> None:
    detached = tmp_path / "night.N2.h5"
    eegarchive.detach(f"{night}@N2", detached)
    with pytest.raises(eegarchive.EEGArchiveError, match="eegarchive pack"):
        eegarchive.anonymize(detached, tmp_path / "out.h5")
    with eegarchive.edit(night) as archive:
        archive.remove_freeze("N2")
    eegarchive.attach(night, detached)
    with pytest.raises(
        eegarchive.EEGArchiveError, match=r"the freeze 'N2' lies in another file.*attach --copy"
    ):
        eegarchive.anonymize(night, tmp_path / "out.h5")


# -- convert, and the command line --------------------------------------------------------------------


def test_converting_anonymized_is_skipped_when_done_in_the_same_way(night: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "Schulzfile.edf", tmp_path / "P1.h5"
    options = eegarchive.Anonymization(keep=("sex",))

    def run(anonymize: eegarchive.Anonymization | None) -> str:
        return eegarchive.convert_many([source], target, anonymize=anonymize).outcomes[0].status

    assert [run(options), run(options), run(eegarchive.Anonymization()), run(None)] == [
        "converted", "skipped", "failed", "failed",
    ]  # fmt: skip


def test_fields_given_by_hand_stay_and_those_of_bids_go(night: Path, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "Schulzfile.edf", tmp_path / "sub-Bauerbids_task-rest_eeg.edf")
    report = eegarchive.convert(
        tmp_path / "sub-Bauerbids_task-rest_eeg.edf",
        tmp_path / "out.h5",
        description={"code": "P1"},
        anonymize=eegarchive.Anonymization(keep=("task",)),
    )
    with eegarchive.open(tmp_path / "out.h5") as archive:
        assert archive.description == {"code": "P1", "task": "rest"}
    assert leaks(tmp_path / "out.h5", NAMES) == []
    assert [i.value for i in report.reviewed if i.where == "description: subject"] == ["Bauerbids"]
    with pytest.raises(eegarchive.EEGArchiveError, match="isn't anonymized on import"):
        eegarchive.convert(
            tmp_path / "Schulzfile.edf",
            tmp_path / "b.h5",
            annotations=tmp_path / "Krauseset.csv",
            anonymize=eegarchive.Anonymization(),
        )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output

    return run


def test_the_command_shows_what_goes_and_what_stays(night: Path, run: Callable[..., str]) -> None:
    shown = run("anonymize", "night.h5", "--dry-run")
    assert re.search(r"\n  patient +1  MCH-0234567 F 16-SEP-1937 Haagse_Harry -> X X X X\n", shown)
    assert "kept: look whether any of these says who was recorded\n" in shown
    assert run("anonymize", "night.h5", "-o", "out.h5", "--dry-run") == shown
    assert not Path("out.h5").exists()
    said = run("anonymize", "night.h5", "-o", "out.h5", "--keep", "age,sex", "--keep-annotations", "Lange*")
    assert "out.h5: anonymized" in said
    assert "out.h5: left out: cache Vogelcache, windows Hahnwindows\n" in said
    assert "out.h5: freezes: Fuchsmade is freeze-1, N2 is freeze-2\n" in said
    found = json.loads(run("anonymize", "night.h5", "--dry-run", "--json"))
    assert found["schema"] == "eegarchive.anonymize/1"
    assert {item["fate"] for item in found["reviewed"]} == {"removed", "changed", "kept"}
    assert re.search(
        r"\nanonymized +eegarchive .*; kept age, sex; annotations of 1 more pattern kept\n",
        run("info", "out.h5"),
    )
    assert "not the original's bytes" in run("export", "out.h5@source", "-o", "out.edf")
    assert "not the original's bytes" not in run("export", "night.h5@source", "-o", "night.edf")


def test_wrong_usage_is_told(night: Path, run: Callable[..., str]) -> None:
    assert "-o" in run("anonymize", "night.h5", code=2)
    assert "isn't the name of a field" in run("anonymize", "night.h5", "--dry-run", "--keep", "a b", code=2)
    assert "are for --anonymize" in run("convert", "Schulzfile.edf", "--keep", "age", code=2)
    assert "come in as they are" in run(
        "convert", "Schulzfile.edf", "--anonymize", "--annotations", "Krauseset.csv", code=2
    )
    assert "none.h5: No such file or directory\n" in run("anonymize", "none.h5", "--dry-run", code=1)


def test_convert_anonymizes_too(night: Path, run: Callable[..., str]) -> None:
    shown = run("convert", "Schulzfile.edf", "--anonymize", "--dry-run", "--keep", "sex")
    assert "-> X F X X\n" in shown
    assert not Path("Schulzfile.h5").exists()
    said = run("convert", "Schulzfile.edf", "--anonymize", "--keep", "sex", "-o", "P1.h5")
    assert "P1.h5: anonymized, " in said
    assert leaks(Path("P1.h5"), NAMES) == []
