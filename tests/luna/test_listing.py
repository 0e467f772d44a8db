"""MATRIX, ANNOTS, DROP-ANNOTS and WRITE, as Luna has them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eegarchive
from eegarchive.errors import EEGArchiveError, ScriptError, TargetExists
from eegarchive.luna.runner import run
from tests.conftest import recordings
from tests.luna.listings import ANNOTATIONS, CASES, EXPECTED, Case, lunas, ours
from tests.luna.night import archive_of as archive_of_night

PSG = "edf_sleep_psg_30s_records"
#: Luna reads no BDF, and not this file, which is too long by a byte.
READABLE = [
    path for path in recordings() if path.suffix == ".edf" and path.stem != "edf_trailing_byte_bad_date"
]
#: Recordings with signals of one rate each, of two, and ones that Luna counts from their first sample.
SIGNALS = {
    "edf_cpap_7h31_flow_25hz": "Flow*,Press*,Trig*",
    "edfplusc_clinical_psg_osas": "EEG*,EOG*,EMG*,ECG,Resp*",
    PSG: "EEG*,EOG*",
}
#: Luna makes stage 4 stage 3, and loses what it says of an annotation at 0 without duration.
OTHER_ANNOTATIONS = ("edfplusc_hypnogram_annotations_only", "edfplusc_generator")
LATE_START = ("edfplusc_subsecond_start", "edfplusc_utf8_annotations")


def archive_of(stem: str, archives: dict[str, Path], folder: Path) -> Path:
    return Path(shutil.copy(archives[stem], folder / "x.h5"))


def expected() -> dict[Case, dict[str, Any]]:
    found = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return {Case(case["recording"], case["script"]): case["gives"] for case in found["cases"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stem[:12]} {case.script}")
def test_it_gives_what_luna_gave(case: Case, archives: dict[str, Path], tmp_path: Path) -> None:
    assert ours(case, archive_of(case.stem, archives, tmp_path), tmp_path) == expected()[case]


@pytest.mark.parametrize(
    "path", [path for path in READABLE if path.stem != OTHER_ANNOTATIONS[0]], ids=lambda path: path.stem
)
@pytest.mark.parametrize("option", ["hms2", "min", "format2"])
def test_matrix_is_lunas_to_the_byte(
    path: Path, option: str, archives: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("lunapi")
    if path.stem in LATE_START and option == "hms2":
        option = "min"  # times differ, see test_times_count_from_the_clocks_zero
    sig = SIGNALS.get(path.stem, "*")
    length = 5 if "cpap" not in path.stem and "oximetry" not in path.stem else 60
    case = Case(path.stem, f"EPOCH len={length} & MASK epoch=2-9 & MATRIX file=FILE sig={sig} {option}")
    assert ours(case, archive_of(path.stem, archives, tmp_path), tmp_path) == lunas(case, path, tmp_path)


@pytest.mark.parametrize(
    "path",
    [path for path in READABLE if path.stem not in (*LATE_START, *OTHER_ANNOTATIONS)],
    ids=lambda path: path.stem,
)
def test_annots_are_lunas(path: Path, archives: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("lunapi")
    case = Case(path.stem, "ANNOTS")
    assert ours(case, archive_of(path.stem, archives, tmp_path), tmp_path) == lunas(case, path, tmp_path)


@pytest.mark.parametrize(
    "commands",
    [
        "MATRIX file=FILE sig=C4,C3,O1 annot=N2,arousal,apnea hms2",
        "MASK ifnot=N2 & RE & MATRIX file=FILE sig=C3,O1 hms",
        "FREEZE F1 & MASK ifnot=R & RE & THAW F1 & MASK ifnot=N3 & RE & MATRIX file=FILE sig=EMG*",
        "EPOCH len=7.5 & MASK if=N2 & MATRIX file=FILE sig=C3,C4,O1 annot=apnea format2",
        "ANNOTS",
        "MASK ifnot=N2 & RE & ANNOTS annot=N2,arousal,apnea",
        "MASK ifnot=N2 & ANNOTS all",
    ],
)
def test_a_made_night_is_listed_as_luna_does(commands: str, night: Path, tmp_path: Path) -> None:
    pytest.importorskip("lunapi")
    case = Case("night", f"EPOCH & {commands}")
    archive = Path(shutil.copy(night / "night.h5", tmp_path / "x.h5"))
    theirs = lunas(case, night / "night.edf", tmp_path, night / "night.annot")
    assert ours(case, archive, tmp_path) == theirs


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    archive_of_night(folder)
    return folder


@pytest.fixture
def scored(archives: dict[str, Path], tmp_path: Path) -> Path:
    archive = archive_of(PSG, archives, tmp_path)
    annotations = tmp_path / "night.annot"
    annotations.write_text(ANNOTATIONS)
    with eegarchive.edit(archive) as night:
        night.import_annotations(annotations)
    return archive


def columns(archive: Path, script: str, name: str) -> dict[str, list[Any]]:
    (ran,) = run(archive, script).outcomes
    (table,) = [table for table in ran.tables if table.name == name]
    return {key: column.to_list() for key, column in table.columns.items()}


def test_times_count_from_the_clocks_zero(archives: dict[str, Path], tmp_path: Path) -> None:
    archive = archive_of("edfplusc_utf8_annotations", archives, tmp_path)
    file = tmp_path / "out.txt"
    run(archive, f"MATRIX file={file} hms2 head=1")
    assert file.read_text().splitlines()[1].split("\t")[:6] == [
        "x",
        "1",
        "0",
        "0",
        "0.3945312",
        "04:05:56.39453",
    ]


def test_epochs_that_begin_between_samples_are_numbered_from_zero(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    run(scored, f"EPOCH len=4.555 & MASK epoch=2 & MATRIX file={file} sig=EEG*")
    lines = [line.split("\t") for line in file.read_text().splitlines()]
    assert [line[2:5] for line in lines[1:4]] == [["4", "0", "4.55"], ["4", "1", "4.56"], ["4", "2", "4.57"]]
    assert len(lines) == 456


def test_samples_slower_than_one_a_second_are_all_the_first_of_theirs(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    archive = archive_of("edfplusd_oximetry_gaps", archives, tmp_path)
    file = tmp_path / "out.txt"
    run(archive, f"EPOCH len=30 & MATRIX file={file}")
    assert {line.split("\t")[3] for line in file.read_text().splitlines()[1:]} == {"0"}


def test_format2_has_the_first_epochs_alone_too(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    run(scored, f"MATRIX file={file} sig=EEG* annot=* format2 head=2")
    lines = [line.split("\t") for line in file.read_text().splitlines()]
    assert lines[0] == ["I", "x", "2", "30", "100", "9", "2"]
    assert lines[1] == ["E", "1", "2"]
    assert ["A", "arousal", "0", "1"] in lines
    assert [len(line) for line in lines if line[0] == "S"] == [6002, 6002]


def test_computed_signals_are_written_with_twelve_digits(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    run(scored, f"RESAMPLE sig=EEG_Fpz_Cz sr=50 & MATRIX file={file} sig=EEG_Fpz_Cz min")
    with eegarchive.open(scored) as night:
        values = night.signals["EEG Fpz-Cz"][:]
    assert file.read_text().splitlines() == [f"{value:.12g}" for value in values]


def test_bdf_is_written_from_32_bit_samples(archives: dict[str, Path], tmp_path: Path) -> None:
    archive = archive_of("bdfplusc_mixed_rates_2s_records", archives, tmp_path)
    file = tmp_path / "out.txt"
    with eegarchive.open(archive) as night:
        signal = next(iter(night.signals.values()))
        name, values = signal.name, signal[:]
    run(archive, f"EPOCH len=2 & MATRIX file={file} sig={name.replace(' ', '_')} min")
    written = np.array(file.read_text().split(), float)
    np.testing.assert_allclose(written, values, rtol=1e-11, atol=1e-9)


def test_rescaled_signals_are_written_as_they_are_scaled_now(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    with eegarchive.edit(scored) as night:
        night.set_signal("EEG Fpz-Cz", scale_factor=1.0, add_offset=0.0)
    run(scored, f"MATRIX file={file} sig=EEG_Fpz_Cz min head=1")
    with eegarchive.open(scored) as night:
        assert file.read_text().split() == [str(d) for d in night.signals["EEG Fpz-Cz"].digital[:3000]]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("sig=EEG*", "needs file="),
        ("file=FILE", "one sampling rate.*EEG_Fpz_Cz 100.*EMG_submental 1"),
        ("file=nowhere/out.txt sig=EEG*", "there is no folder nowhere"),
        ("file=FILE sig=xx", "none of these signals"),
        ("file=FILE sig=EEG* head=0", "must be at least 1"),
        ("file=FILE sig=EEG* head=x", "isn't a number"),
    ],
)
def test_matrix_says_what_it_lacks_and_writes_nothing(
    words: str, what: str, scored: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.txt"
    with pytest.raises(ScriptError, match=what):
        run(scored, f"MATRIX {words.replace('FILE', str(file))}")
    assert not file.exists()


def test_files_are_replaced_only_if_asked_for(scored: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text("mine")
    script = f"MATRIX file={file} sig=EEG* min head=1"
    with pytest.raises(TargetExists, match="exists already"):
        run(scored, script)
    assert file.read_text() == "mine"
    run(scored, script, overwrite=True)
    assert len(file.read_text().splitlines()) == 3000
    with pytest.raises(EEGArchiveError, match="is the input itself"):
        run(scored, f"MATRIX file={scored} sig=EEG* min", overwrite=True)


def test_annots_show_what_is_masked(scored: Path) -> None:
    script = "EPOCH & MASK ifnot=N2 & ANNOTS annot=arousal,apnea,spindle show-masked"
    found = columns(scored, script, "ANNOTS_ANNOT_INST_T1_T2")
    names = ("SOME_MASKED", "SOME_UNMASKED", "ALL_MASKED", "ALL_UNMASKED", "START_MASKED")
    at = {start: i for i, start in enumerate(found["START"])}
    flags = {start: "".join(str(found[name][i]) for name in names) for start, i in at.items()}
    assert flags[42.3] == "10101"
    assert flags[95.0] == "01010"
    assert flags[118.5] == "01010"
    assert flags[150.0] == "10101"  # Luna says that it is both
    assert flags[179.0] == "10101"
    assert flags[180.123] == "01010"


def test_annots_by_epochs_keep_classes_apart(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.add_annotations([90.0], [30.0], ["artefact"])
    found = columns(scored, "EPOCH & MASK ifnot=N2 & ANNOTS epoch", "ANNOTS_ANNOT_CH_E_INST_INTERVAL")
    rows = set(zip(found["ANNOT"], found["E"], found["INTERVAL"], strict=True))
    assert {("N2", 4, "90.00->120.00"), ("artefact", 4, "90.00->120.00")} <= rows
    assert ("apnea", 5, "118.50->131.00") in rows
    assert {row[1] for row in rows} == {4, 5, 7}
    shown = columns(
        scored, "EPOCH & MASK ifnot=N2 & ANNOTS epoch show-masked", "ANNOTS_ANNOT_CH_E_INST_INTERVAL"
    )
    masks = dict(
        zip(
            zip(shown["ANNOT"], shown["E"], strict=True),
            zip(shown["AMASK"], shown["EMASK"], strict=True),
            strict=True,
        )
    )
    assert masks["R", 8] == (1, 1)
    assert masks["N2", 4] == (0, 0)


def test_a_file_of_annotations_alone_is_listed_with_its_stage_4(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    archive = archive_of("edfplusc_hypnogram_annotations_only", archives, tmp_path)
    found = columns(archive, "ANNOTS", "ANNOTS_ANNOT")
    counts = dict(zip(found["ANNOT"], found["COUNT"], strict=True))
    assert counts == {"?": 1, "N1": 24, "N2": 40, "N3": 48, "N4": 23, "R": 6, "W": 12}


def test_elapsed_times_go_on_after_a_day(scored: Path) -> None:
    with eegarchive.edit(scored) as night:
        night.drop_annotations()
        night.add_annotations([5.001], [86400.0], ["long"])
    found = columns(scored, "ANNOTS", "ANNOTS_ANNOT_INST_T1_T2")
    assert found["START_ELAPSED_HMS"] == ["00:00:05.001"]
    assert found["STOP_ELAPSED_HMS"] == ["24:00:05.001"]
    assert found["STOP_HMS"] == ["16:13:05.001"]


def test_dropped_annotations_are_of_kinds_texts_or_all(scored: Path) -> None:
    def kinds(script: str) -> set[str]:
        run(scored, script)
        with eegarchive.open(scored) as night:
            return set(night.annotations["text"])

    before = kinds("DESC")
    assert kinds("DROP-ANNOTS annot=nowhere") == before
    assert kinds("DROP-ANNOTS annot=arousal/a1") == before - {"arousal/a1"}
    assert kinds("DROP-ANNOTS annot=N*") == before - {"arousal/a1", "N1", "N2", "N3"}
    with pytest.raises(ScriptError, match="also the kind of other annotations"):
        with eegarchive.edit(scored) as night:
            night.add_annotations([1.0], [1.0], ["arousal"], kind=["other"])
            night.add_annotations([1.0], [1.0], ["other"], kind=["third"])
        run(scored, "DROP-ANNOTS annot=arousal")
    assert kinds("DROP-ANNOTS") == set()


def test_write_gives_back_the_recording(scored: Path, tmp_path: Path) -> None:
    recording = next(path for path in recordings() if path.stem == PSG)
    with eegarchive.edit(scored) as night:
        night.thaw("source")
    run(scored, f"WRITE edf-dir={tmp_path}/new edf-tag=v2")
    written = (tmp_path / "new" / "x-v2.edf").read_bytes()
    assert hashlib.sha256(written).digest() == hashlib.sha256(recording.read_bytes()).digest()
    with pytest.raises(TargetExists):
        run(scored, f"WRITE edf-dir={tmp_path}/new edf-tag=v2")
    run(scored, f"WRITE edf={tmp_path}/other")
    assert (tmp_path / "other.edf").read_bytes() == written


def test_write_leaves_masked_epochs_out(scored: Path, tmp_path: Path) -> None:
    (ran,) = run(scored, f"EPOCH & MASK ifnot=N2 & WRITE edf={tmp_path}/n2.edf").outcomes
    eegarchive.convert(tmp_path / "n2.edf", tmp_path / "n2.h5")
    with eegarchive.open(tmp_path / "n2.h5") as written, eegarchive.open(scored) as night:
        assert written.duration == 90.0
        assert (written.signals["EEG Fpz-Cz"].digital[:] == night.signals["EEG Fpz-Cz"].digital[:]).all()
    assert any(table.name == "RE" for table in ran.tables)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("", "needs edf="),
        ("edf=a edf-tag=b", "edf= is the whole name"),
        ("edf-tag=../b", "can't be a file's name"),
    ],
)
def test_write_says_what_it_lacks(words: str, what: str, scored: Path) -> None:
    with pytest.raises(ScriptError, match=what):
        run(scored, f"WRITE {words}")
