"""The examples of Luna's page on freezes and caches, as it prints them, on a made night with C3, C4 and stages.

Where lunapi does the same, both are compared.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import eegarchive
from eegarchive.luna.runner import Ran, run

PRINTED = Path(__file__).parent / "page"
EPOCHS = 260
STAGES = (["W"] * 10 + ["N1"] * 5 + ["N2"] * 20 + ["N3"] * 15 + ["N2"] * 10 + ["R"] * 20) * 3 + ["W"] * 20
_SECONDS = 30 * EPOCHS


def write_night(folder: Path, rates: dict[str, int]) -> None:
    """Two hours and ten minutes: noise, spindles in N2; as EDF with its stages beside it."""
    rng = np.random.Generator(np.random.PCG64(7))
    parts = []
    for rate in rates.values():
        samples = 200.0 * rng.standard_normal(_SECONDS * rate)
        for epoch in np.flatnonzero(np.array(STAGES) == "N2").tolist():
            _add_spindle(samples, (30 * epoch + 8) * rate, rate)
        for epoch in (20, 42, 70, 100):
            samples[30 * epoch * rate : 30 * (epoch + 1) * rate] *= 4
        parts.append(np.clip(np.round(samples), -2048, 2047).astype("<i2").reshape(_SECONDS, rate))
    count = len(rates)
    same: list[tuple[int, str]] = [
        (80, ""),
        (8, "uV"),
        (8, "-250"),
        (8, "250"),
        (8, "-2048"),
        (8, "2047"),
        (80, ""),
    ]
    first = [(8, "0"), (80, "X X X X"), (80, "Startdate 01-JAN-2023 X X X"), (8, "01.01.23"), (8, "22.00.00"),
             (8, f"{256 * (count + 1)}"), (44, ""), (8, f"{_SECONDS}"), (8, "1"), (4, f"{count}")]  # fmt: skip
    fields = first + [(16, label) for label in rates]
    fields += [field for field in same for _ in rates]
    fields += [(8, f"{rate}") for rate in rates.values()] + [(32, "")] * count
    header = "".join(text.ljust(width) for width, text in fields).encode("ascii")
    (folder / "night.edf").write_bytes(header + np.concatenate(parts, axis=1).tobytes())
    rows = [f"{stage}\t.\t.\t{30 * i}\t{30 * i + 30}\t.\n" for i, stage in enumerate(STAGES)]
    (folder / "night.annot").write_text("".join(rows), encoding="utf-8")


def _add_spindle(samples: npt.NDArray[np.float64], at: int, rate: int) -> None:
    times = np.arange(rate) / rate
    samples[at : at + rate] += 900 * np.sin(np.pi * times) * np.sin(2 * np.pi * 13.5 * times)


def _archive(folder: Path, rates: dict[str, int]) -> Path:
    write_night(folder, rates)
    eegarchive.convert(folder / "night.edf", folder / "night.h5")
    with eegarchive.edit(folder / "night.h5") as night:
        night.import_annotations(folder / "night.annot")
    return folder


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a night of few samples: for listings."""
    return _archive(tmp_path_factory.mktemp("slow"), {"C3": 16, "C4": 16, "AIRFLOW": 4})


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a night at rates as they are."""
    return _archive(tmp_path_factory.mktemp("usual"), {"C3": 200, "C4": 200, "EMG": 100})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scripts run here: relative names are in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def text_of(name: str) -> str:
    return (PRINTED / f"{name}.txt").read_text(encoding="utf-8")


def ran(night: Path, here: Path, name: str) -> Ran:
    """A script on a copy of a night's archive in the folder."""
    (outcome,) = run(shutil.copy(night / "night.h5", here / "night.h5"), PRINTED / f"{name}.txt").outcomes
    return outcome


def columns(outcome: Ran, name: str) -> dict[str, list[Any]]:
    (table,) = [table for table in outcome.tables if table.name == name]
    return {key: column.to_list() for key, column in table.columns.items()}


def luna(night: Path, script: str) -> dict[str, dict[str, list[Any]]]:
    """Tables of lunapi; what it prints goes to the terminal."""
    lunapi = pytest.importorskip("lunapi", reason="lunapi isn't installed")
    project = lunapi.proj()
    project.silence(True)
    instance = project.inst("night")
    instance.attach_edf(str(night / "night.edf"))
    instance.attach_annot(str(night / "night.annot"))
    return {
        name: {column: list(frame[column]) for column in frame}
        for name, frame in instance.proc(script).items()
    }


# -- a freeze brings samples, epochs and signals back -------------------------------------------


def test_freezes_bring_back_epochs_and_signals(slow: Path, here: Path) -> None:
    outcome = ran(slow, here, "matrix")
    files = [(here / f"a{number}.txt").read_bytes() for number in range(4)]
    assert files[0] == files[2]
    assert files[1] == files[3]
    whole, part = (content.decode().splitlines() for content in files[:2])
    assert (len(whole), len(part)) == (1 + 16 * _SECONDS, 1 + 51 * 30 * 16)
    assert whole[0].split("\t") == ["ID", "E", "S", "SP", "T", "C3"]
    assert part[0].split("\t") == ["ID", "E", "S", "SP", "T", "C3", "C3_V2"]
    assert part[1].split("\t")[:5] == ["night", "200", "5970", "0", "5970"]
    for line in part[1:]:
        *_, signal, copied = line.split("\t")
        assert signal == copied
    signals = [line for line in outcome.printed if line.startswith("# signals")]
    assert [line.rpartition(" ")[2] for line in signals] == ["4", "3", "4"]
    with eegarchive.open(here / "night.h5") as night:
        assert sorted(night.freezes) == ["F1", "F2", "source"]
        assert "C3_V2" in night.signals
        assert night.freezes["F1"].duration == _SECONDS


def test_the_matrices_are_lunas(slow: Path, here: Path) -> None:
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    ran(slow, here, "matrix")
    (here / "luna").mkdir()
    # Luna's copy has no underscore unless the tag has, and the script's names are relative
    script = text_of("matrix").replace("tag=V2", "tag=_V2").replace("file=", f"file={here}/luna/")
    luna(slow, script)
    for number in range(4):
        ours, theirs = (
            [line.split("\t") for line in (folder / f"a{number}.txt").read_text().splitlines()]
            for folder in (here, here / "luna")
        )
        assert ours[0] == theirs[0]
        # what Luna copies is a step off in places
        assert [row[:6] for row in ours] == [row[:6] for row in theirs], number


# -- a pipeline by stages -----------------------------------------------------------------------


def test_each_stage_is_cut_from_the_same_freeze(usual: Path, here: Path) -> None:
    outcome = ran(usual, here, "stages")
    spectra = columns(outcome, "PSD_CH_F_STG")
    assert set(zip(spectra["CH"], spectra["STG"], strict=True)) == {
        (channel, stage) for channel in ("C3", "C4") for stage in ("N2", "N3", "R")
    }
    values = dict(
        zip(zip(spectra["CH"], spectra["F"], spectra["STG"], strict=True), spectra["PSD"], strict=True)
    )
    assert values["C3", 13.5, "N2"] > values["C3", 13.5, "N3"] + 3  # dB: the spindles
    counts = columns(outcome, "PSD_CH_STG")
    kept = dict(zip(counts["STG"], counts["NE"], strict=True))
    assert 0 < kept["N2"] < 90  # the loud epochs of N2 are out
    assert kept["R"] <= 60
    with eegarchive.open(here / "night.h5") as night:
        assert list(night.signals) == ["C3", "C4"]
        assert night.freezes["F1"].signals["C3"].sampling_rate == 128
        assert night.freezes["F1"].duration == 30 * sum(stage != "W" for stage in STAGES)
        assert night.freezes["source"].signals["C3"].sampling_rate == 200


def test_the_database_prints_a_column_for_each_stage(usual: Path, here: Path) -> None:
    from eegarchive.luna.database import Database
    from eegarchive.luna.pivot import pivot

    archive = shutil.copy(usual / "night.h5", here / "night.h5")
    run(archive, PRINTED / "stages.txt", database=here / "out.db")
    with Database(here / "out.db") as found:
        shown = pivot(found, "PSD", ["F", "CH"], ["STG"], ["PSD"])
    assert shown.columns == ["ID", "CH", "F", "PSD.STG_N2", "PSD.STG_N3", "PSD.STG_R"]
    assert list(shown.rows[0][:3]) == ["night", "C3", 0.5]
    assert len(shown.rows) == 2 * len({row[2] for row in shown.rows})


def test_the_stages_have_lunas_epochs_and_spectra(usual: Path, here: Path) -> None:
    """Without RESAMPLE and FILTER, after which Luna has integers again."""
    pytest.importorskip("lunapi", reason="lunapi isn't installed")
    script = "\n".join(
        line for line in text_of("stages").splitlines() if not line.startswith(("RESAMPLE", "FILTER"))
    )
    theirs = luna(usual, script)
    (outcome,) = run(shutil.copy(usual / "night.h5", here / "night.h5"), script).outcomes
    for name, factors, variables in (
        ("PSD: CH_F_STG", ("CH", "F", "STG"), ("PSD",)),
        ("PSD: B_CH_STG", ("B", "CH", "STG"), ("PSD", "RELPSD")),
        ("PSD: CH_STG", ("CH", "STG"), ("NE",)),
    ):
        ours, other = columns(outcome, name.replace(": ", "_")), theirs[name]
        for variable in variables:
            found, expected = (_by_strata(own, factors, variable) for own in (ours, other))
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                assert found[key] == pytest.approx(value, rel=1e-9, nan_ok=True), (name, variable, key)


def _by_strata(own: dict[str, list[Any]], factors: tuple[str, ...], variable: str) -> dict[Any, float]:
    keys = zip(*([_key(level) for level in own[factor]] for factor in factors), strict=True)
    return dict(zip(keys, map(float, own[variable]), strict=True))


def _key(level: Any) -> Any:
    return round(level, 6) if isinstance(level, float) else level


# -- THAW ---------------------------------------------------------------------------------------


def test_a_freeze_is_thawed_by_all_spellings_until_it_is_removed(slow: Path, here: Path) -> None:
    outcome = ran(slow, here, "thaw")
    thawed = [line for line in outcome.log if line.startswith("thawed")]
    assert [line.split(",")[0].split("(")[0].strip() for line in thawed] == [
        "thawed f1: 7800 s", "thawed f2: 300 s", "thawed f1: 7800 s", "thawed f2: 300 s", "thawed f1: 7800 s",
    ]  # fmt: skip
    with eegarchive.open(here / "night.h5") as night:
        assert list(night.freezes) == ["source"]
        assert night.duration == _SECONDS


@pytest.mark.parametrize("given", ["THAW F9", "THAW tag=F9", "THAW tag=F9 strict"])
def test_a_tag_that_is_unknown_is_an_error_and_nothing_is_done(slow: Path, here: Path, given: str) -> None:
    archive = Path(shutil.copy(slow / "night.h5", here / "night.h5"))
    before = archive.read_bytes()
    with pytest.raises(eegarchive.NotInArchive, match=r"line 3: THAW: .*'F9'; there are f1"):
        run(archive, f"FREEZE f1\nMASK epoch=1-9 & RE\n{given}")
    assert archive.read_bytes() == before


def test_the_word_remove_is_no_tag(slow: Path, here: Path) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    with pytest.raises(eegarchive.EEGArchiveError, match="'remove' is reserved"):
        run(archive, "FREEZE remove")


def test_annotations_are_in_the_freeze(slow: Path, here: Path) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    run(archive, "FREEZE f1 & DROP-ANNOTS annot=N2 & FREEZE f2 & THAW f1")
    with eegarchive.open(archive) as night:
        assert list(night.annotations["kind"]).count("N2") == STAGES.count("N2")
        assert "N2" not in night.freezes["f2"].annotations["kind"]


# -- CACHE --------------------------------------------------------------------------------------

_RATES = ["strata: CH=AIRFLOW", "value: HEADERS:SR=4", "", "strata: CH=C3", "value: HEADERS:SR=16", "",
          "strata: CH=C4", "value: HEADERS:SR=16"]  # fmt: skip


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip().splitlines()


@pytest.mark.parametrize("names", ["HEADERS,CH,SR", "HEADERS,SR,CH"])
def test_what_a_command_puts_out_is_recorded(slow: Path, here: Path, names: str) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    script = text_of("headers")
    assert "record=HEADERS,CH,SR" in script
    (outcome,) = run(archive, script.replace("HEADERS,CH,SR", names)).outcomes
    assert _trimmed(outcome.printed) == ["cache: p1[num]", *_RATES]


def test_a_recorded_cache_is_printed_as_luna_does(
    slow: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = ran(slow, here, "headers")
    capfd.readouterr()
    luna(slow, text_of("headers").replace("HEADERS,CH,SR", "HEADERS,SR,CH"))
    printed = capfd.readouterr().out.splitlines()
    assert _trimmed(printed[printed.index("cache: p1[num]") :]) == _trimmed(outcome.printed)


def _headers_table(night: Path, here: Path) -> None:
    """`eegarchive tables out.db +HEADERS -r CH > o.1`."""
    from click.testing import CliRunner

    from eegarchive.cli import main

    run(shutil.copy(night / "night.h5", here / "night.h5"), "HEADERS", database=here / "out.db")
    done = CliRunner().invoke(main, ["tables", "out.db", "+HEADERS", "-r", "CH"])
    assert done.exit_code == 0, done.output
    (here / "o.1").write_text(done.stdout)


def test_a_table_is_imported_into_a_cache(slow: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _headers_table(slow, here)
    outcome = ran(slow, here, "import")
    assert _trimmed(outcome.printed) == ["cache: p1[num]", *(line.replace("HEADERS:", "") for line in _RATES)]
    capfd.readouterr()
    luna(slow, text_of("import"))
    printed = capfd.readouterr().out.splitlines()
    assert _trimmed(printed[printed.index("cache: p1[num]") :]) == _trimmed(outcome.printed)


def test_without_factors_the_last_row_is_left(slow: Path, here: Path) -> None:
    _headers_table(slow, here)
    printed = ran(slow, here, "import_all").printed
    values = dict(line.removeprefix("value: ").split("=") for line in printed if line.startswith("value: "))
    assert not [line for line in printed if line.startswith("strata: ")]
    assert values == {"DMAX": "2047", "DMIN": "-2048", "PMAX": "250", "PMIN": "-250", "POS": "3",
                      "SENS": "0.1221", "SR": "4"}  # fmt: skip


def test_a_table_that_is_not_there_is_told_with_its_line(slow: Path, here: Path) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    with pytest.raises(eegarchive.EEGArchiveError, match=r"line 2: CACHE: .*o\.1"):
        run(archive, f"% what another run put out\n{text_of('import')}")


def test_peaks_of_spindles_are_a_vector_of_integers(usual: Path, here: Path) -> None:
    printed = _trimmed(ran(usual, here, "spindles").printed)
    assert printed[:3] == ["cache: p1[int]", "strata: CH=C3", "strata: F=13.5"]
    assert printed[3].startswith("value: (")
    assert printed[3].endswith(" element vector)")
    with eegarchive.open(here / "night.h5") as night:
        peaks = night.cache["p1"].get("points", CH="C3", F=13.5)
        assert peaks.dtype.kind == "i"
        within = peaks % (30 * 200) / 200  # all epochs are whole, with a spindle at 8 to 9 s
        assert np.mean((within > 8.0) & (within < 9.0)) > 0.9
        assert len(peaks) > 80


def test_features_of_stages_are_kept_through_re_and_thaw(usual: Path, here: Path) -> None:
    outcome = ran(usual, here, "features")
    with eegarchive.open(here / "night.h5") as night:
        frame = night.cache["c1"].to_frame("PSD:PSD", stale=True)
    assert set(frame["STG"]) == {"N2", "N3"}
    assert set(frame["CH"]) == {"C3"}
    assert len(frame) == 2 * frame["B"].nunique()
    assert sum(line.startswith("value: PSD:PSD=") for line in outcome.printed) == len(frame)


@pytest.mark.parametrize(("option", "left"), [("", False), (" preserve-cache", True)])
def test_thaw_brings_back_the_freezes_caches_unless_they_are_preserved(
    slow: Path, here: Path, option: str, left: bool
) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    run(archive, f"FREEZE f1 & CACHE cache=p1 record=HEADERS,CH,SR & HEADERS & THAW tag=f1{option}")
    with eegarchive.open(archive) as night:
        assert ("p1" in night.cache) == left


def test_re_empties_caches_unless_they_are_preserved(slow: Path, here: Path) -> None:
    for option, count in (("", 0), (" preserve-cache", 3)):
        archive = shutil.copy(slow / "night.h5", here / "night.h5")
        run(archive, f"CACHE cache=p1 record=HEADERS,CH,SR & HEADERS & MASK epoch=1-9 & RE{option}")
        with eegarchive.open(archive) as night:
            assert (len(night.cache["p1"]) if "p1" in night.cache else 0) == count


def test_a_cache_that_is_not_there_is_told_and_not_made(slow: Path, here: Path) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    (outcome,) = run(archive, "CACHE dump num=zz").outcomes
    assert outcome.log == ["line 1: CACHE: there is no cache zz; there are none"]
    with eegarchive.open(archive) as night:
        assert list(night.cache) == []


def test_texts_and_booleans_are_dumped_and_clear_empties_all(slow: Path, here: Path) -> None:
    archive = shutil.copy(slow / "night.h5", here / "night.h5")
    with eegarchive.edit(archive) as night:
        night.cache["b"].put("GOOD", True, CH="C3")
    script = (
        "CACHE cache=t record=HEADERS,TYPE,CH & HEADERS sig=C3 & CACHE dump text=t & CACHE dump bool=b & CACHE clear "
        "& CACHE dump text=t"
    )
    (outcome,) = run(archive, script).outcomes
    assert [line for line in outcome.printed if line] == [
        "cache: t[text]", "strata: CH=C3", "value: HEADERS:TYPE=EEG",
        "cache: b[bool]", "strata: CH=C3", "value: GOOD=1",
        "cache: t[text]",
    ]  # fmt: skip
    with eegarchive.open(archive) as night:
        assert list(night.cache) == []
