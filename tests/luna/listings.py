"""Scripts of MATRIX and ANNOTS, what they give here, and what Luna gives for them.

Run as a program (`python -m luna.listings` in `tests`, with lunapi), it makes `expected/listings.json` anew.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import eegarchive
from eegarchive.luna.runner import run

EXPECTED = Path(__file__).parent / "expected" / "listings.json"
DATA = Path(__file__).parents[1] / "data"
#: Stages, and events within them, across them, of no length, and beyond the recording's end.
ANNOTATIONS = """class\tinstance\tchannel\tstart\tstop\tmeta
W\t.\t.\t0\t30\t.
W\t.\t.\t30\t60\t.
N1\t.\t.\t60\t90\t.
N2\t.\t.\t90\t120\t.
N2\t.\t.\t120\t150\t.
N3\t.\t.\t150\t180\t.
N2\t.\t.\t180\t210\t.
R\t.\t.\t210\t300\t.
arousal\ta1\tEEG_Fpz_Cz\t42.3\t46.25\t.
arousal\t.\t.\t95\t95\t.
apnea\t.\t.\t118.5\t131\t.
arousal\tx y\t.\t150\t150\t.
arousal\tz\t.\t290\t310\t.
late\t.\t.\t305\t310\t.
spindle\t.\t.\t179\t180\t.
spindle\t.\t.\t180.123\t181\t.
"""
_PSG = "edf_sleep_psg_30s_records"
_MASK = "EPOCH & MASK ifnot=N2 & "


class Case(NamedTuple):
    """A script on a recording; `FILE` in it is the file that MATRIX writes."""

    stem: str
    script: str


CASES = [
    Case(_PSG, "MATRIX file=FILE sig=EEG_Fpz_Cz,EEG_Pz_Oz"),
    Case(_PSG, "MATRIX file=FILE sig=EEG_Pz_Oz,eeg_fpz_cz hms"),
    Case(_PSG, "MATRIX file=FILE sig=EEG*,EOG_horizontal hms2"),
    Case(_PSG, "MATRIX file=FILE sig=EMG_submental,Temp_rectal,Event_marker"),
    Case(_PSG, "MATRIX file=FILE sig=xx,EEG_Fpz_Cz annot=spindle,arousal,N2,nowhere head=6"),
    Case(_PSG, "MATRIX file=FILE sig=EEG* min"),
    Case(_PSG, _MASK + "MATRIX file=FILE sig=EEG* annot=arousal,apnea hms"),
    Case(_PSG, _MASK + "RE & MATRIX file=FILE sig=EEG* annot=arousal,apnea hms2 head=2"),
    Case(_PSG, _MASK + "MATRIX file=FILE sig=EEG* annot=arousal,N2,apnea format2"),
    Case(_PSG, "EPOCH len=4.55 & MASK epoch=2-3,40 & MATRIX file=FILE sig=EEG* hms2"),
    Case(_PSG, "EPOCH len=45 & MATRIX file=FILE sig=EOG* minimal head=1"),
    Case("edf_cpap_8h_13ch_duplicate_labels", "EPOCH len=60 & MATRIX file=FILE hms2"),
    Case("edfplusd_oximetry_gaps", "EPOCH len=28 & MATRIX file=FILE hms"),
    Case("edfplusd_oximetry_gaps", "EPOCH len=60 & MASK epoch=10-20,50 & RE & MATRIX file=FILE"),
    Case("edfplusc_utf8_annotations", "MATRIX file=FILE min"),
    Case("edfplusc_duplicate_labels", "EPOCH len=2 & MATRIX file=FILE"),
    Case(_PSG, "ANNOTS"),
    Case(_PSG, "ANNOTS annot=N2,spindle"),
    *(
        Case(_PSG, f"{_MASK}ANNOTS annot=arousal,apnea,spindle,N2 {option}".strip())
        for option in ("", "any", "all", "start")
    ),
    Case(_PSG, _MASK + "RE & ANNOTS"),
    Case(_PSG, "DROP-ANNOTS annot=N2,arousal & ANNOTS"),
    Case("edfplusd_oximetry_gaps", "ANNOTS"),
]


def outcome_of(case: Case, text: str | None, tables: dict[str, Any]) -> dict[str, Any]:
    """What a case gave, briefly: a file's lines and hash; rows of the tables of ANNOTS, in order."""
    if text is not None:
        lines = text.split("\n")
        return {
            "lines": len(lines) - 1,
            "first": [line[:200] for line in lines[:3]],
            "last": lines[-2][-200:],
            "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
        }
    found = {}
    for name, frame in sorted(tables.items()):
        if not name.startswith("ANNOTS"):
            continue
        columns = sorted(set(frame) - {"ID"})
        rows = [[_plain(value) for value in row] for row in frame[columns].itertuples(index=False)]
        found[name] = {"columns": columns, "rows": sorted(rows, key=str)}
    return found


def _plain(value: Any) -> Any:
    """Numbers to the nanosecond, so that they are written in one way."""
    return value if isinstance(value, str) else round(float(value), 9)


def lunas(case: Case, edf: Path, folder: Path, scoring: Path | None = None) -> dict[str, Any]:
    """What Luna gives, with a file of annotations if there is one."""
    import lunapi

    annotations, file = folder / "night.annot", folder / "luna.txt"
    annotations.write_text(ANNOTATIONS)
    file.unlink(missing_ok=True)
    project = lunapi.proj()
    project.silence(True)
    instance = project.inst("x")
    instance.attach_edf(str(edf))
    if case.stem == _PSG:
        scoring = annotations
    if scoring is not None:
        instance.attach_annot(str(scoring))
    found = instance.proc(case.script.replace("FILE", str(file)))
    text = file.read_text(encoding="utf-8") if "FILE" in case.script else None
    return outcome_of(case, text, {name.replace(": ", "_"): frame for name, frame in (found or {}).items()})


def ours(case: Case, archive: Path, folder: Path) -> dict[str, Any]:
    """What we give; the archive's name must be x.h5."""
    annotations, file = folder / "night.annot", folder / "ours.txt"
    annotations.write_text(ANNOTATIONS)
    if case.stem == _PSG:
        with eegarchive.edit(archive) as night:
            night.import_annotations(annotations)
    (ran,) = run(archive, case.script.replace("FILE", str(file)), overwrite=True).outcomes
    text = file.read_text(encoding="utf-8") if "FILE" in case.script else None
    return outcome_of(case, text, {table.name: table.to_frame() for table in ran.tables})


if __name__ == "__main__":
    import tempfile

    import lunapi

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        made = [
            {"recording": case.stem, "script": case.script}
            | {"gives": lunas(case, DATA / f"{case.stem}.edf", Path(scratch))}
            for case in CASES
        ]
    about = {"made": "python -m luna.listings in tests", "lunapi": lunapi.__version__}
    EXPECTED.write_text(json.dumps({**about, "cases": made}, indent=1, ensure_ascii=False) + "\n")
