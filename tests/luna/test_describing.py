"""TAG, HEADERS and DESC, as Luna has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import eegarchive
from tests.conftest import DATA, recordings

EXPECTED = Path(__file__).parent / "expected"
SOURCE = DATA / "edf_sleep_psg_30s_records.edf"
#: Luna reads no BDF, and not this file, which is too long by a byte.
READABLE = [
    path.stem for path in recordings() if path.suffix == ".edf" and path.stem != "edf_trailing_byte_bad_date"
]
#: Signals that Luna takes for something else by their labels.
OTHER_TYPES = {"Crc16", "Iz..", "T9..", "T10."}


def outputs(archive: Path, script: str) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    (ran,) = eegarchive.run(archive, script).outcomes
    tables = {
        table.name: {name: column.to_list() for name, column in table.columns.items()} for table in ran.tables
    }
    return tables, ran.printed


@pytest.mark.parametrize("stem", READABLE)
def test_headers_are_lunas(stem: str, archives: dict[str, Path], tmp_path: Path) -> None:
    lunapi = pytest.importorskip("lunapi")
    project = lunapi.proj()
    project.silence(True)
    instance = project.inst(stem)
    instance.attach_edf(str(next(path for path in recordings() if path.stem == stem)))
    found = instance.proc("HEADERS signals")
    copy = tmp_path / f"{stem}.h5"
    copy.write_bytes(archives[stem].read_bytes())
    tables, _ = outputs(copy, "HEADERS signals")
    recording = {name: values[0] for name, values in tables["HEADERS"].items()}
    for name, value in found["HEADERS: BL"].iloc[0].to_dict().items():
        if name != "ID":
            expected = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert recording[name] == expected, name
    if "HEADERS: CH" not in found:
        assert "HEADERS_CH" not in tables
        return
    ours = tables["HEADERS_CH"]
    assert sorted(ours["CH"]) == sorted(found["HEADERS: CH"]["CH"])
    for row in found["HEADERS: CH"].to_dict("records"):
        at = ours["CH"].index(row["CH"])
        for name in row.keys() - {"ID", "TYPE"}:
            expected = pytest.approx(row[name], rel=1e-12) if isinstance(row[name], float) else row[name]
            assert ours[name][at] == expected, (row["CH"], name)
        if row["CH"] not in OTHER_TYPES:
            assert (row["CH"], ours["TYPE"][at]) == (row["CH"], row["TYPE"])


def test_headers_are_those_that_luna_printed(psg: Path) -> None:
    lines = (EXPECTED / "headers_psg.tsv").read_text(encoding="utf-8").splitlines()
    names, *rows = [line.split("\t") for line in lines if not line.startswith("#")]
    tables, _ = outputs(psg, "HEADERS")
    ours = tables["HEADERS_CH"]
    assert len(rows) == len(ours["CH"])
    for row in rows:
        at = ours["CH"].index(row[names.index("CH")])
        for name, text in zip(names, row, strict=True):
            value = ours[name][at]
            assert (pytest.approx(float(text), rel=1e-12) if isinstance(value, float) else text) == (
                value if isinstance(value, float) else str(value)
            )


def test_a_restructured_recording_has_gaps(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs()
        night.mask(keep_epochs="3-4")
        night.restructure()
    tables, printed = outputs(psg, "HEADERS & DESC")
    row = {name: values[0] for name, values in tables["HEADERS"].items()}
    assert [row[name] for name in ("EDF_TYPE", "NR", "NS", "NS_ALL", "REC_DUR_SEC", "TOT_DUR_SEC", "STOP_TIME")] == [
        "EDF+D", 2, 7, 8, 60.0, 120.0, "16.15.00",
    ]  # fmt: skip
    expected = (EXPECTED / "desc_psg_epochs_3_4.txt").read_text(encoding="utf-8").splitlines()
    assert (
        printed[1:] == [line for line in expected if not line.startswith("%")][1:]
    )  # the first names the file


def test_desc_is_what_luna_prints(psg: Path) -> None:
    expected = (EXPECTED / "desc_psg.txt").read_text(encoding="utf-8").splitlines()
    _, printed = outputs(psg, "DESC")
    assert printed[0] == f"EDF filename      : {psg}"
    assert printed[1:] == [line for line in expected if not line.startswith("%")][1:]
    assert outputs(psg, "DESC channels sig=EEG*")[1] == ["EEG_Fpz_Cz", "EEG_Pz_Oz"]
    assert "# signals         : 2 selected (of 7)" in outputs(psg, "DESC sig=EEG*")[1]


def test_a_computed_signal_has_no_limits(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.filter(0.5, 30, ["EEG Fpz-Cz"])
    ours = outputs(psg, "HEADERS sig=EEG_Fpz_Cz")[0]["HEADERS_CH"]
    assert [ours[name][0] for name in ("SR", "PMIN", "PMAX", "DMIN", "DMAX", "SENS")] == [
        100.0, None, None, None, None, 1.0,
    ]  # fmt: skip


def test_tags_are_factors_until_they_are_removed(psg: Path) -> None:
    tables, _ = outputs(
        psg,
        """TAG A/1 & TAG tag=X/y & HEADERS
        TAG A/2 & HEADERS
        TAG X/. & HEADERS
        TAG . & HEADERS""",
    )
    assert [name for name in tables if "CH" not in name] == ["HEADERS_A_X", "HEADERS_A", "HEADERS"]
    assert (tables["HEADERS_A_X"]["A"], tables["HEADERS_A_X"]["X"]) == (["1", "2"], ["y", "y"])


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("CH/x", "CH is a factor of commands' own"),
        ("e/x", "e is a factor of commands' own"),
        ("A", "expected FACTOR/LEVEL"),
        ("A/", "expected FACTOR/LEVEL"),
        ("A/x/y", "expected FACTOR/LEVEL"),
        ("/x", "expected FACTOR/LEVEL"),
        ('"a b/x"', "a factor is of letters"),
        ("", "needs exactly one tag"),
    ],
)
def test_tags_that_are_none(psg: Path, tag: str, said: str) -> None:
    with pytest.raises(eegarchive.ScriptError, match=f"line 1: TAG: .*{said}"):
        eegarchive.run(psg, f"TAG {tag}")


def test_a_tag_that_is_a_variable_of_a_command(psg: Path) -> None:
    with pytest.raises(
        eegarchive.EEGArchiveError, match=r"line 1: HEADERS: .*two columns .*TAG another name"
    ):
        eegarchive.run(psg, "TAG SR/x & HEADERS")


def test_labels_are_lunas() -> None:
    from eegarchive.luna.labels import luna_labels

    assert luna_labels(["EEG Fpz-Cz", "x-", "-x", "dup", "dup", "Dup", "a,b", "EEG  x", "x (y)", "Fc5."]) == [
        "EEG_Fpz_Cz", "x", "x.1", "dup", "dup.1", "Dup.2", "a,b", "EEG__x", "x__y", "Fc5.",
    ]  # fmt: skip
