"""The commands that change, compare and list states."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pytest
from click.testing import CliRunner, Result

import eegarchive
from eegarchive.cli import VERBS, main
from eegarchive.exporting import bytes_to_export
from eegarchive.scoring import read_events

DATA = Path(__file__).parent / "data"
PSG = DATA / "edf_sleep_psg_30s_records.edf"
FPZ = "EEG Fpz-Cz"


def run(*arguments: object) -> Result:
    """Run a command in this process; what it prints, exit code, no exception."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="eegarchive")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def done(*arguments: object) -> str:
    """What a command prints that goes well and warns of nothing."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def error(*arguments: object) -> str:
    """The line of a command that fails."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr.removeprefix("eegarchive: error: ").rstrip("\n")


@pytest.fixture
def night(psg: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an archive in the working folder, with stages."""
    monkeypatch.chdir(psg.parent)
    psg.rename("night.h5")
    with eegarchive.edit("night.h5") as archive:
        stages = ["Sleep stage W", "Sleep stage 2", "Sleep stage 2", "Sleep stage 3"]
        archive.add_annotations([0, 60, 120, 180], [60] * 4, stages, annotation_set="hyp")
        archive.add_annotations([95.0], [3.0], ["Arousal"], annotation_set="hyp")
    return "night.h5"


def test_the_nights_of_the_manual(night: str) -> None:
    assert done("epochs", night) == "night.h5: 10 epochs of 30 s\n"
    assert done("mask", night, "--keep-if", "N2", "--drop-if", "Arousal") == (
        "night.h5: 7 epochs masked; 3 of 10 are left\n"
    )
    assert re.fullmatch(
        r"night\.h5: frozen as masked, digest [0-9a-f]{64}\n",
        done("freeze", night, "masked", "--note", "N2, calm"),
    )
    assert done("restructure", night).startswith(
        "night.h5: 3 of 10 epochs are left: 90 of 300 s in 2 segments"
    )
    assert done("signals", night, "copy", FPZ, "raw") == "night.h5: raw is a copy of EEG Fpz-Cz\n"
    done("freeze", night, "N2")
    assert done("thaw", night, "masked") == "night.h5: the working state is that of masked\n"
    with eegarchive.open(night) as archive:
        assert archive.epochs["epoch"][~archive.epochs["masked"]].tolist() == [3, 5, 6]
        assert len(archive.signals) == 7
    assert done("thaw", night, "N2") == "night.h5: the working state is that of N2\n"
    with eegarchive.open(night) as archive:
        assert archive.epochs["epoch"].tolist() == [3, 5, 6]
        assert list(archive.signals)[-1] == "raw"
    assert run("verify", night).exit_code == 0


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--keep-if", "N2"], [3, 4, 5, 6]),
        (["--keep-if", "N2", "--keep-if", "N3"], [3, 4, 5, 6, 7, 8]),
        (["--keep-if", "N2", "--keep-if", "Arousal", "--all"], [4]),
        (["--keep-if", "Arou*", "--whole"], []),
        (["--keep-if", "Sleep stage 2"], [3, 4, 5, 6]),
        (["--keep-if", "N2", "--set", "hyp"], [3, 4, 5, 6]),
        (["--drop-if", "N2", "--drop-if", "W"], [7, 8, 9, 10]),
        (["--keep-epochs", "2-3,7"], [2, 3, 7]),
        (["--drop-epochs", "2-10"], [1]),
        (["--keep-times", "60-90.5"], [3, 4]),
        (["--drop-times", "0-270"], [10]),
        (["--first", "2"], [1, 2]),
        (["--drop-epochs", "1", "--first", "2"], [2, 3]),
        (["--flip"], []),
    ],
)
def test_every_way_to_mask(night: str, options: list[str], left: list[int]) -> None:
    assert done("mask", night, *options).endswith(f"; {len(left)} of 10 are left\n")
    with eegarchive.open(night) as archive:
        assert archive.epochs["epoch"][~archive.epochs["masked"]].tolist() == left
    assert done("mask", night, "--clear") == (
        f"night.h5: 0 epochs masked, {10 - len(left)} unmasked; 10 of 10 are left\n"
    )


def test_a_random_choice_can_be_had_again(night: str) -> None:
    chosen = []
    for seed in (5, 5, 6):
        done("mask", night, "--clear", "--random", 4, "--seed", seed)
        with eegarchive.open(night) as archive:
            chosen.append(archive.epochs["epoch"][~archive.epochs["masked"]].tolist())
    assert chosen[0] == chosen[1] != chosen[2]


def test_epochs_may_overlap_and_begin_late(night: str) -> None:
    assert done("epochs", night, "--length", 4, "--step", 2, "--offset", 1) == (
        "night.h5: 148 epochs of 4 s, one every 2 s\n"
    )
    with eegarchive.open(night) as archive:
        assert archive.epochs["start"][:2].tolist() == [1, 3]


def test_restructure_can_keep_whole_records(night: str) -> None:
    done("epochs", night, "--length", 20)
    done("mask", night, "--keep-epochs", "2")
    assert "60 of 300 s" in done("restructure", night, "--whole-records")


def test_signals_are_kept_dropped_renamed_and_set(night: str) -> None:
    assert done("signals", night, "keep", "EEG Pz-Oz", FPZ, "Event marker") == (
        "night.h5: 3 signals are left: EEG Fpz-Cz, EEG Pz-Oz, Event marker\n"
    )
    assert done("signals", night, "drop", "Event marker").startswith("night.h5: 2 signals are left")
    assert done("signals", night, "rename", FPZ, "A/B") == "night.h5: EEG Fpz-Cz is now A%2FB\n"
    assert done(
        "signals", night, "set", "A/B", "units=mV", "scale_factor=2", "lab=", "samples_per_record=3"
    ) == ("night.h5: A/B has units=mV, scale_factor=2.0, lab=, samples_per_record=3\n")
    with eegarchive.open(night) as archive:
        attributes = archive.signals["A/B"].attributes
    assert [attributes[key] for key in ("label", "units", "scale_factor", "lab", "samples_per_record")] == [
        "A/B", "mV", 2.0, "", 3,
    ]  # fmt: skip
    assert "expected a number" in run("signals", night, "set", "A/B", "scale_factor=two").stderr
    shown = done("signals", night).splitlines()
    assert [line.split()[0] for line in shown] == ["name", "A%2FB", "EEG"]
    assert done("signals", f"{night}@source").count("\n") == 8
    listed = json.loads(done("signals", night, "--json"))
    assert (listed["schema"], len(listed["signals"])) == ("eegarchive.signals/1", 2)
    assert json.loads(done("signals", "--json", night)) == listed


def test_resampling_and_filtering_tell_what_they_did(night: str) -> None:
    channels = ["--channel", FPZ, "--channel", "EEG Pz-Oz"]
    assert done("resample", night, "--rate", 50, *channels) == (
        "night.h5: 2 signals at 50 Hz: EEG Fpz-Cz, EEG Pz-Oz\n"
    )
    assert done("filter", night, "--high", 20, *channels).startswith(
        "night.h5: 2 signals filtered, below 20 Hz: "
    )
    assert done("filter", night, "--low", 1, *channels[:2]) == (
        "night.h5: 1 signal filtered, above 1 Hz: EEG Fpz-Cz\n"
    )
    with eegarchive.open(night) as archive:
        assert (archive.signals[FPZ].sampling_rate, archive.signals[FPZ].dtype) == (50, np.dtype("<f4"))
    assert done("resample", night, "--rate", 25).startswith("night.h5: 4 signals at 25 Hz: ")
    assert error("filter", night, "--low", 0.3, "--high", 35, *channels) == (
        "night.h5: signal 'EEG Fpz-Cz': high = 35 Hz must be below half the sampling rate, 12.5 Hz"
    )


def test_computing_and_exporting_tell_how_far_they_are(night: str) -> None:
    told: list[int] = []
    with eegarchive.edit(night) as archive:
        assert archive.filter(high=40, channels=[FPZ, "EEG Pz-Oz"], progress=told.append) == [
            FPZ,
            "EEG Pz-Oz",
        ]
        assert sum(told) == 2 * 30_000 * 4
        told.clear()
        archive.resample(50, [FPZ], told.append)
        assert sum(told) == 15_000 * 4
    for tag, size in (("", 2 * (15_000 + 2 * 30_000 + 4 * 300)), ("@source", PSG.stat().st_size)):
        told.clear()
        with eegarchive.open(f"{night}{tag}") as archive:
            assert bytes_to_export(archive, "x.edf") == size
            eegarchive.export(archive, f"x{tag}.edf", progress=told.append)
        assert sum(told) == Path(f"x{tag}.edf").stat().st_size >= size


def test_a_warning_is_one_line(night: str) -> None:
    done("mask", night, "--keep-epochs", "3")
    done("restructure", night)
    result = run("filter", night, "--low", 0.05, "--channel", FPZ)
    assert result.exit_code == 0
    assert result.stderr.startswith("eegarchive: warning: 1 of 1 stretches are shorter than the filter")
    assert len(result.stderr.splitlines()) == 1


def test_annotations_come_go_and_change(night: str, tmp_path: Path) -> None:
    Path("two.csv").write_text("onset,duration,text\n0,30,N1\n30,30,N2\n")
    assert done("annotations", night, "import", "two.csv") == (
        "night.h5: 2 annotations of two.csv added, as the set two\n"
    )
    Path("stages").write_text("W\nN1\nN2\n")
    assert done(
        "annotations", night, "import", "stages", "--format", "eannot", "--set", "auto", "--epoch-length", 20
    ).endswith("3 annotations of stages added, as the set auto\n")
    listed = json.loads(done("annotations", night, "--json"))["annotations"]
    assert {"set": "auto", "kind": "N2", "count": 1} in listed
    shown = done("annotations", night).splitlines()
    assert shown[0] == "kind     count  set"
    assert "N2           2  hyp" in shown
    assert done("annotations", night, "drop", "--set", "auto") == "night.h5: 3 annotations dropped\n"
    assert done("annotations", night, "drop", "--kind", "N1") == "night.h5: 1 annotation dropped\n"
    done("annotations", night, "rename", "--kind", "Arousal", "--text", "Sleep stage ?")
    assert done("annotations", night, "rename", "--set", "hyp", "--new-set", "me") == (
        "night.h5: 5 annotations renamed\n"
    )
    with eegarchive.open(night) as archive:
        assert sorted(set(archive.annotations["set"])) == ["me", "two"]
        assert "?" in archive.annotations["kind"]
    assert done("annotations", f"{night}@source") == "night.h5@source: no annotations\n"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".annot", ".edf"])
def test_annotations_go_out_and_read_back_equal(night: str, suffix: str) -> None:
    assert done("annotations", night, "export", f"out{suffix}", "--set", "hyp") == (
        f"out{suffix}: 5 annotations written\n"
    )
    with eegarchive.open(night) as archive:
        columns, start = archive.annotations.columns(), archive.start
    found = read_events(f"out{suffix}", start=start)
    assert found.onset.tolist() == columns["onset"].tolist()
    assert found.duration.tolist() == columns["duration"].tolist()
    assert found.text == columns["text"].tolist()
    assert (
        "out.csv: exists already" in error("annotations", night, "export", "out.csv")
        if suffix == ".csv"
        else True
    )
    done("annotations", night, "export", f"out{suffix}", "--overwrite")


def test_stages_go_out_by_epoch_and_need_epochs(night: str) -> None:
    assert "give epochs, or set them first" in error("annotations", night, "export", "out.eannot")
    done("epochs", night)
    done("annotations", night, "export", "out", "--format", "eannot")
    assert Path("out").read_text().split() == ["W"] * 2 + ["N2"] * 4 + ["N3"] * 2 + ["?"] * 2


def test_a_thaw_keeps_unsaved_work_and_says_so(night: str) -> None:
    first, second = done("thaw", night, "source").splitlines()
    tag = re.fullmatch(r"night\.h5: the working state was in no freeze; it is kept as (unsaved-\w+)", first)[
        1
    ]  # type: ignore[index]
    assert second == "night.h5: the working state is that of source"
    assert (
        done("thaw", night, tag, "--remove")
        == f"night.h5: the working state is that of {tag}, which is removed\n"
    )
    assert done("thaw", night, "source", "--discard") == "night.h5: the working state is that of source\n"
    with eegarchive.open(night) as archive:
        assert list(archive.freezes) == ["source"]
    assert done("thaw", night, "source", "--preserve-cache").endswith(
        "that of source, with the cache as it was\n"
    )


def test_freezes_are_listed_replaced_and_removed(night: str) -> None:
    done("mask", night, "--keep-if", "N2")
    done("freeze", night, "N2", "--note", "stage 2")
    lines = done("freezes", night).splitlines()
    assert lines[0].split() == ["tag", "created", "digest", "signals", "data", "epochs", "note"]
    assert [re.sub(r"\d{4}-\S+Z  \w{12}", "-", line) for line in lines[1:]] == [
        "   source  -        7  300 s  0              the recording as converted",
        "*  N2      -        7  300 s  10 (6 masked)  stage 2",
    ]
    found = json.loads(done("freezes", night, "--json"))
    assert found["schema"] == "eegarchive.freezes/1"
    assert [(freeze["tag"], freeze["current"]) for freeze in found["freezes"]] == [
        ("source", False),
        ("N2", True),
    ]
    assert "there is a freeze 'N2' already" in error("freeze", night, "N2")
    done("freeze", night, "N2", "--overwrite")
    assert re.fullmatch(
        r"night\.h5: N2 is removed; compact would free \d\S* k?B \(eegarchive compact night\.h5\)\n",
        done("freezes", night, "--remove", "N2"),
    )
    assert error("freezes", night, "--remove", "N2").endswith("no freeze 'N2'; there are source")
    assert error("freezes", night, "--remove", "source").endswith(
        "is the recording itself and can't be removed"
    )


def test_differences_have_exit_codes_of_their_own(night: str) -> None:
    same = run("diff", night, f"{night}@source")
    assert (same.exit_code, same.stderr) == (1, "")
    assert same.stdout.splitlines() == [
        "- 1 annotation Arousal (hyp)", "- 2 annotations N2 (hyp)", "- 1 annotation N3 (hyp)", "- 1 annotation W (hyp)",
    ]  # fmt: skip
    shutil.copy(night, "other.h5")
    assert done("diff", night, "other.h5") == ""
    assert json.loads(done("diff", night, "other.h5", "--json"))["equal"] is True
    for arguments in ((night, "gone.h5"), (night, f"{night}@gone"), (night, PSG)):
        result = run("diff", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.fullmatch(r"eegarchive: error: .*\n", result.stderr)
    assert run("diff", night).exit_code == 2


def test_differences_are_told_in_lines(night: str) -> None:
    shutil.copy(night, "other.h5")
    with eegarchive.edit("other.h5") as archive:
        archive.mask(drop_epochs="1,8-9")
        archive.restructure()
        archive.mask(drop_epochs=[2])
        archive.copy_signal(FPZ, "copy")
        archive.drop_signals(["EEG Pz-Oz", FPZ])
        archive.rename_signal("copy", FPZ)
        archive.copy_signal(FPZ, "new")
        archive.set_signal(FPZ, units="V", scale_factor=0.5)
        archive.signals["Resp oro-nasal"].digital[30:32] = [1, 2]
        archive.drop_annotations("N2")
    with eegarchive.edit(night) as archive:
        archive.set_epochs(30)
    result = run("diff", night, "other.h5")
    assert result.stdout.splitlines() == [
        "- signal EEG Pz-Oz",
        "+ signal new",
        "~ signal EEG Fpz-Cz: scale_factor 0.09377289377 -> 0.5; units 'uV' -> 'V'",
        "~ signal Resp oro-nasal: samples 60-62 s",
        "~ order of signals: EOG horizontal, Resp oro-nasal, EMG submental, Temp rectal, Event marker, EEG Fpz-Cz",
        "- time 0-30 s, 210-270 s",
        "~ segments 1 -> 2",
        "- epochs 1,8-9 (3)",
        "~ masked now: epochs 2 (1)",
        "- 2 annotations N2 (hyp)",
    ]
    found = json.loads(run("diff", night, "other.h5", "--json").stdout)
    assert (found["schema"], found["equal"]) == ("eegarchive.diff/1", False)
    assert found["signals_changed"]["Resp oro-nasal"] == {"attributes": {}, "samples": [[60, 62]]}
    back = run("diff", "other.h5", night).stdout.splitlines()
    assert "+ time 0-30 s, 210-270 s" in back
    assert "~ not masked now: epochs 2 (1)" in back
    assert "+ epochs 1,8-9 (3)" in back


def test_grids_and_starts_that_differ_are_told(night: str, archives: dict[str, Path]) -> None:
    done("epochs", night)
    done("freeze", night, "a")
    done("epochs", night, "--length", 25, "--offset", 25)
    assert run("diff", f"{night}@a", night).stdout.splitlines() == [
        "+ epochs 11 (1)", "~ start or length of epochs 1-10 (10)", "~ length of epochs 30 s -> 25 s",
    ]  # fmt: skip
    shown = run("diff", night, archives["edfplusd_oximetry_gaps"]).stdout
    assert "~ recording start 1989-04-24T16:13:00 -> 2023-08-26T02:05:23" in shown


def test_history_is_told_line_by_line(night: str) -> None:
    done("epochs", night)
    done("freeze", night, "a")
    done("mask", night, "--first", 3)
    lines = done("history", night).splitlines()
    assert [re.sub(r"\d{4}-\S+Z", "-", line) for line in lines[3:]] == [
        f"4  -  {lines[3].split()[2]}  set epochs of 30 s",
        "5  -                freeze as a",
        f"6  -  {lines[5].split()[2]}  mask: keep the first 3",
    ]
    assert lines[5].split()[2] == done("digest", night)[:12]
    assert done("history", f"{night}@a").splitlines() == lines[:5]
    found = json.loads(done("history", f"{night}@a", "--json"))
    assert found["schema"] == "eegarchive.history/1"
    assert found["operations"][3]["parameters"] == {"length": 30.0, "step": 30.0, "offset": 0.0}
    assert found["operations"][4]["text"] == "freeze as a"


def test_a_digest_is_printed_alone(night: str) -> None:
    with eegarchive.open(night) as archive:
        assert done("digest", night) == f"{archive.digest}\n"
        assert done("digest", f"{night}@source") == f"{archive.freezes['source'].digest}\n"


def test_any_state_goes_out_as_edf(night: str) -> None:
    done("annotations", night, "drop", "--set", "hyp")
    assert done("export", night, "-o", "whole.edf").startswith(
        "whole.edf: the source's bytes, SHA-256 ff05447a"
    )
    assert Path("whole.edf").read_bytes() == PSG.read_bytes()
    done("mask", night, "--keep-epochs", "2-3,7")
    done("restructure", night)
    assert done("export", night, "-o", "some.edf") == "some.edf: EDF+D, starts 30 s into the recording\n"
    done("mask", night, "--keep-epochs", "2-3")
    done("restructure", night)
    done("signals", night, "keep", FPZ)
    done("resample", night, "--rate", 50)
    said = done("export", night, "-o", "some.edf", "--overwrite").splitlines()
    assert said[0] == "some.edf: EDF, starts 30 s into the recording"
    error = float(re.fullmatch(r"some\.edf: EEG Fpz-Cz is quantised, by (\S+) uV at most", said[1])[1])  # type: ignore[index]
    with eegarchive.open(night) as archive:
        values = archive.signals[FPZ][:]
    raw = mne.io.read_raw_edf("some.edf", verbose="error")
    assert np.abs(raw.get_data()[0] * 1e6 - values).max() <= 1.01 * error


def test_a_scoring_comes_in_with_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PSG, "night.edf")
    Path("hyp.csv").write_text("onset,duration,text\n0,30,W\n30,30,N2\n")
    assert done("convert", "night.edf", "--annotations", "hyp.csv").endswith(
        "read back and equal; 2 annotations imported\n"
    )
    with eegarchive.open("night.h5") as archive:
        assert archive.annotations["set"].tolist() == ["hyp", "hyp"]
        assert len(archive.freezes["source"].annotations) == 0
        assert archive.history["operation"].tolist() == ["convert", "import-annotations"]
    assert run("verify", "night.h5").exit_code == 0
    assert "skipped" in done("convert", "night.edf", "--annotations", "hyp.csv")
    shutil.copy("hyp.csv", "new.csv")
    assert (
        "exists, without the annotations of new.csv"
        in run("convert", "night.edf", "--annotations", "new.csv").stderr
    )
    found = json.loads(done("convert", "night.edf", "--annotations", "new.csv", "--overwrite", "--json"))
    assert found["outcomes"][0]["imported"] == 2
    report = eegarchive.convert("night.edf", "again.h5", annotations="hyp.csv")
    assert (report.imported, report.archive_bytes) == (2, os.path.getsize("again.h5"))


def test_a_scoring_that_cannot_be_read_stops_the_conversion_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PSG, "night.edf")
    shutil.copy(PSG, "second.edf")
    Path("hyp.csv").write_text("onset,duration,text\n0,30,W\nsoon,30,N2\n")
    result = run("convert", "night.edf", "--annotations", "hyp.csv")
    assert result.exit_code == 1
    assert re.match(r"eegarchive: error: hyp\.csv.*3", result.stderr)
    for arguments in (("night.edf", "second.edf"), (".",)):
        result = run("convert", *arguments, "--annotations", "hyp.csv")
        assert result.exit_code == 2
        assert "--annotations belong to one recording, these are 2" in result.stderr
        with pytest.raises(eegarchive.EEGArchiveError, match="belong to one recording, these are 2"):
            eegarchive.convert_many(arguments, annotations="hyp.csv")
    assert run("convert", "night.edf", "--annotations", "gone.csv").exit_code == 2
    assert sorted(os.listdir()) == ["hyp.csv", "night.edf", "second.edf"]


def test_info_says_whether_the_state_is_kept(night: str) -> None:
    assert "state   in no freeze; eegarchive freeze keeps it\n" in done("info", night)
    done("freeze", night, "now", "--note", "as scored")
    shown = done("info", night)
    assert "state   that of the freeze now\n" in shown
    assert re.search(
        r"freezes \(2\)\n  source  \S+Z  the recording as converted\n  now     \S+Z  as scored\n", shown
    )
    assert "state   frozen as now\n" in done("info", f"{night}@now")
    found = json.loads(done("info", night, "--json"))
    assert found["saved_as"] == ["now"]
    assert [(freeze["tag"], freeze["note"]) for freeze in found["freezes"]][1] == ("now", "as scored")
    assert found["annotations"][0] == {"set": "hyp", "kind": "N2", "count": 2}


def test_info_says_what_compact_would_save(night: str) -> None:
    assert "compact would" not in done("info", night)
    noise = np.random.default_rng(0).normal(size=30_000).astype("f4")
    with eegarchive.edit(night) as archive:
        archive.add_signal("noise", noise, 100)
    with eegarchive.edit(night) as archive:
        archive.thaw("source")
    assert re.search(r"codec portable; compact would save 1\d\d kB\n", done("info", night))


CHANGING = {
    "epochs": (), "mask": ("--keep-if", "N2"), "restructure": (), "resample": ("--rate", "50"),
    "filter": ("--low", "1"), "freeze": ("x",), "thaw": ("source",), "freezes": ("--remove", "x"),
}  # fmt: skip
GROUPS = {
    "signals": (("keep", FPZ), ("drop", FPZ), ("copy", FPZ, "x"), ("rename", FPZ, "x"), ("set", FPZ, "a=b")),
    "annotations": (
        ("import", "x.csv"), ("drop", "--kind", "N2"), ("rename", "--kind", "N2", "--text", "x"),
    ),
}  # fmt: skip
ALL_CHANGES = [
    *((verb, options, ()) for verb, options in CHANGING.items()),
    *((verb, (), command) for verb, commands in GROUPS.items() for command in commands),
]


@pytest.mark.parametrize(("verb", "options", "command"), ALL_CHANGES)
def test_a_freeze_is_changed_by_nothing(
    night: str, verb: str, options: tuple[str, ...], command: tuple[str, ...]
) -> None:
    before = Path(night).read_bytes()
    assert error(verb, f"{night}@source", *command, *options) == (
        "night.h5@source: a freeze can't be changed; thaw it first (eegarchive thaw night.h5 source)"
    )
    assert Path(night).read_bytes() == before


def test_every_change_waits_for_another_writer_and_then_names_it(night: str) -> None:
    script = f"import eegarchive\nwith eegarchive.edit({night!r}): print('in', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "in\n"
        for verb, options, command in ALL_CHANGES:
            said = error(verb, night, *command, *options, "--timeout", "0.01")
            assert f"is being edited by process {other.pid}" in said
        other.stdin.write("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("mask", "night.h5", "--keep-if", "N9"),
            "night.h5: no annotation 'N9'; there are N2, W, Arousal, N3",
        ),
        (
            ("mask", "night.h5", "--keep-if", "N2", "--set", "x"),
            "night.h5: no annotation set 'x'; there are hyp",
        ),
        (("mask", "night.h5", "--keep-epochs", "40"), "night.h5: there is no epoch 40; they go from 1 to 10"),
        (("thaw", "night.h5", "x"), "/night.h5: no freeze 'x'; there are source"),
        (("freeze", "night.h5", "a b"), "'a b' can't be a tag"),
        (("freeze", "night.h5", "source"), "the tag 'source' is reserved"),
        (("signals", "night.h5", "drop", "C9"), "night.h5: no signal 'C9'; there are EEG Fpz-Cz, "),
        (("signals", "night.h5", "copy", FPZ, "EEG Pz-Oz"), "there is a signal 'EEG Pz-Oz' already"),
        (
            ("annotations", "night.h5", "drop", "--kind", "x"),
            "night.h5: no annotations of kind 'x'; there are",
        ),
        (("annotations", "night.h5", "import", "gone.csv"), "gone.csv: No such file or directory"),
        (
            ("annotations", "night.h5", "export", "a.edf", "--set", "x"),
            "no annotation set 'x'; there are hyp",
        ),
        (("annotations", "night.h5", "export", "a.xml"), "can't be written; these formats can: edf, annot"),
        (("resample", "night.h5", "--rate", "0"), "night.h5: signal 'EEG Fpz-Cz': the new sampling rate"),
        (("epochs", "night.h5", "--length", "1000"), "night.h5: no segment is as long as 1000 s"),
        (("epochs", "gone.h5"), "gone.h5: No such file or directory"),
        (("history", "night.h5@x"), "no freeze 'x'; there are source"),
        (("digest", "night.h5@x"), "no freeze 'x'; there are source"),
        (("export", "night.h5", "-o", "a.txt"), "a.txt: expected .edf, .bdf, .fif, .zarr, .csv, .parquet"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    night: str, arguments: tuple[str, ...], message: str
) -> None:
    before, names = Path(night).read_bytes(), sorted(os.listdir())
    assert message in error(*arguments)
    assert Path(night).read_bytes() == before
    assert sorted(os.listdir()) == names


@pytest.mark.parametrize(
    "arguments",
    [
        ("mask", "night.h5"),
        ("mask", "night.h5", "--keep-times", "60"),
        ("mask", "night.h5", "--first", "1", "--random", "1"),
        ("mask", "night.h5", "--first", "0"),
        ("mask", "night.h5", "--flip", "--seed", "1"),
        ("mask", "night.h5", "--flip", "--all"),
        ("filter", "night.h5"),
        ("resample", "night.h5"),
        ("freeze", "night.h5"),
        ("freeze", "night.h5", "x", "--timeout", "-1"),
        ("freezes", "night.h5", "--json", "--remove", "x"),
        ("signals", "night.h5", "keep"),
        ("signals", "night.h5", "set", FPZ, "units"),
        ("signals", "night.h5", "hide", FPZ),
        ("annotations", "night.h5", "drop"),
        ("annotations", "night.h5", "rename", "--set", "hyp"),
        ("annotations", "night.h5", "rename", "--text", "x"),
        ("annotations", "night.h5", "import", "x.csv", "--format", "doc"),
    ],
)
def test_wrong_usage_ends_with_2_and_changes_nothing(night: str, arguments: tuple[str, ...]) -> None:
    before = Path(night).read_bytes()
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
    assert Path(night).read_bytes() == before


@pytest.mark.parametrize(
    ("verb", "command"), [(verb, c[0]) for verb, commands in GROUPS.items() for c in commands]
)
def test_every_command_below_a_verb_has_help_with_an_example(verb: str, command: str) -> None:
    assert re.search(
        rf"Example:\n +eegarchive {verb} night\.h5 {command} ", done(verb, "night.h5", command, "--help")
    )
    assert verb in VERBS


def test_texts_of_an_archive_reach_the_terminal_escaped(night: str) -> None:
    with eegarchive.edit(night) as archive:
        archive.rename_signal("Event marker", "\x1b[31mred\x07\x9b")
        archive.add_annotations([1], [1], ["\x1b[2J\x07"], annotation_set="\x9b1m")
        archive.freeze("x", note="\x1b]0;owned\x07")
    for arguments in (("signals", night), ("annotations", night), ("freezes", night), ("history", night)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done(*arguments))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", run("diff", night, f"{night}@source").stdout)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", error("annotations", night, "drop", "--kind", "x"))


def test_arrays_are_added_and_written(night: str) -> None:
    np.save("envelope.npy", np.arange(300, dtype=np.float32))
    assert done("signals", night, "add", "slow", "envelope.npy", "--rate", 1, "--units", "uV") == (
        "night.h5: slow added: 300 samples at 1 Hz\n"
    )
    np.save("zeros.npy", np.zeros(50, np.int16))
    assert done("signals", night, "write", FPZ, "zeros.npy", "--start", 100, "--digital") == (
        f"night.h5: 50 samples of {FPZ} written from 100 on\n"
    )
    assert done("signals", night, "write", FPZ, "zeros.npy", "--start", 200, "--rounded").endswith(
        "written from 200 on, rounded by 0.0469 at most\n"
    )
    with eegarchive.open(night) as archive:
        assert archive.signals["slow"][:].tolist() == list(range(300))
        assert (archive.signals["slow"].units, archive.signals["slow"].dtype) == ("uV", np.dtype("<f4"))
        assert not archive.signals[FPZ].digital[100:150].any()
    Path("text.npy").write_text("no array")
    np.save("square.npy", np.zeros((2, 2)))
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("text.npy", "objects.npy"):
        assert error("signals", night, "add", "x", name, "--rate", 1) == (
            f"{name}: isn't a NumPy array of numbers (.npy)"
        )
    assert error("signals", night, "add", "x", "square.npy", "--rate", 1) == (
        "square.npy: expected one array of one dimension"
    )
    assert "at 2 Hz this state has 600" in error("signals", night, "add", "x", "envelope.npy", "--rate", 2)


def test_one_annotation_is_added(night: str) -> None:
    assert done("annotations", night, "add", "Arousal", "--onset", 200, "--duration", 4) == (
        "night.h5: Arousal added at 200 s, to the set user\n"
    )
    with eegarchive.open(night) as archive:
        rows = archive.annotations.columns()
    at = list(rows["onset"]).index(200.0)
    assert (rows["duration"][at], rows["kind"][at], rows["set"][at]) == (4.0, "Arousal", "user")
