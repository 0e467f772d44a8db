"""Windows that were cut beforehand: what is stored, when it is stale, and what damage does."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import eegarchive
from eegarchive import digest, layout
from eegarchive.cli import main
from eegarchive.storage import objects, seal

CODECS = ("none", "fast", "small", "portable")


@pytest.fixture
def prepared(psg: Path) -> Path:
    """The PSG with a set of 75 windows of four seconds."""
    with eegarchive.edit(psg) as night:
        night.set_epochs(20)
        assert night.prepare_windows("w4s", 4.0, picks="eeg", target="epoch:epoch") == 75
    return psg


def equal(one: eegarchive.Windows, other: eegarchive.Windows) -> bool:
    assert len(one) == len(other) > 0
    return all(
        np.array_equal(a[0], b[0]) and a[0].dtype == b[0].dtype == np.float32 and a[1:] == b[1:]
        for a, b in zip(one, other, strict=True)
    )


def errors(path: Path) -> list[tuple[str, str]]:
    return [(finding.path, finding.message) for finding in eegarchive.verify(path)]


@pytest.mark.clause("W-1", "W-3", "W-4", "W-5", "W-6", "C-6")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["float32", "digital", None])
def test_they_are_what_would_be_cut(psg: Path, codec: str, dtype: Any) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(20)
        night.mask(drop_epochs=3)
        options = {"picks": ["eeg", "eog"], "target": "epoch:start"}
        count = night.prepare_windows("w", 3.0, 1.5, dtype=dtype, codec=codec, **options)  # type: ignore[arg-type]
    cut = eegarchive.windows(psg, 3.0, 1.5, picks=["eeg", "eog"], target="epoch:start")
    stored = eegarchive.windows(psg, prepared="w")
    assert len(stored) == count
    assert equal(cut, stored)
    assert equal(cut, stored)  # read again, by what is known now
    assert (stored.channels, stored.units, stored.kinds) == (cut.channels, cut.units, cut.kinds)
    assert stored.metadata.keys() == cut.metadata.keys()
    for name, values in cut.metadata.items():
        np.testing.assert_array_equal(values, stored.metadata[name])
        assert values.dtype == stored.metadata[name].dtype
    assert errors(psg) == []
    with eegarchive.open(psg), h5py.File(psg, "r") as h5:
        samples = h5["windows/w/samples"]
        assert samples.dtype == ("<f4" if dtype == "float32" else "<i2")
        assert samples.chunks == (1, 3, 300)
        stated = samples.attrs["samples_sha256"].decode()
        if codec in ("none", "portable"):
            assert hashlib.sha256(samples[()].tobytes()).hexdigest() == stated
            channels = h5["windows/w/channels"][()]
            physical = samples[5] * channels["scale_factor"][:, None] + channels["add_offset"][:, None]
            np.testing.assert_array_equal(physical.astype(np.float32), cut[5][0])


@pytest.mark.parametrize("kind", ["whole", "real", "bool", "text"])
def test_targets_of_every_type(psg: Path, kind: str) -> None:
    values: dict[str, Callable[[eegarchive.WindowInfo], Any]] = {
        "whole": lambda info: -info.i,
        "real": lambda info: info.i / 3,
        "bool": lambda info: info.i % 2 == 0,
        "text": lambda info: "schläft" * (info.i % 3),
    }
    with eegarchive.edit(psg) as night:
        night.prepare_windows("w", picks="eeg", target=values[kind])
    cut = eegarchive.windows(psg, picks="eeg", target=values[kind])
    assert equal(cut, eegarchive.windows(psg, prepared="w"))
    assert type(eegarchive.windows(psg, prepared="w")[0][1]) is type(cut[0][1])
    assert errors(psg) == []


def test_parameters_are_json_whatever_was_given(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([0.0, 30.0], [30.0, 30.0], ["W", "N2"], annotation_set="ann")
        target = MappingProxyType({"W": np.int64(3), "N2": float("nan")})
        picks: Any = (name for name in np.array(["eeg"]))
        assert night.prepare_windows("w", 30.0, picks=picks, target=target) == 1
    stored = eegarchive.windows(psg, prepared="w")
    assert stored.targets.tolist() == [3.0]
    assert errors(psg) == []
    with h5py.File(psg, "r") as h5:
        text = h5["windows/w"].attrs["parameters"].decode()
    told = json.loads(text, parse_constant=pytest.fail)  # NaN isn't JSON
    assert told["picks"] == ["eeg"]
    assert told["target"] == {"N2": None, "W": 3}


def test_of_an_edit_that_is_under_way(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.signals["EEG Fpz-Cz"].digital[5:5000] = 7
        night.set_epochs(30)
        night.mask(drop_epochs="2-4")
        night.restructure()
        night.prepare_windows("w", picks="eeg")
    assert equal(eegarchive.windows(psg, picks="eeg"), eegarchive.windows(psg, prepared="w"))
    assert errors(psg) == []


def test_samples_of_several_types(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.filter(1.0, 20.0, ["EEG Fpz-Cz"])
        assert {night.signals[name].dtype.kind for name in ("EEG Fpz-Cz", "EEG Pz-Oz")} == {"f", "i"}
        with pytest.raises(eegarchive.EEGArchiveError, match="several types"):
            night.prepare_windows("w", picks="eeg", dtype="digital")
        night.prepare_windows("w", picks="eeg")
    assert equal(eegarchive.windows(psg, picks="eeg"), eegarchive.windows(psg, prepared="w"))


@pytest.mark.clause("W-7", "W-2")
def test_stale_windows_are_refused_unless_told(prepared: Path) -> None:
    before = eegarchive.windows(prepared, prepared="w4s")
    first = before[0][0]
    assert eegarchive.windows(prepared, prepared="w4s", stale=True)[0][2] == [0, 0, 400]
    with eegarchive.edit(prepared) as night:
        night.freeze("then")
        night.mask(drop_epochs=1)
    with pytest.raises(eegarchive.StaleValue, match="prepared from another state"):
        eegarchive.windows(prepared, prepared="w4s")
    with pytest.raises(eegarchive.StaleValue):  # it was open before the edit
        before[0]
    with pytest.raises(eegarchive.StaleValue):
        before.__getitems__([0, 1])
    told = eegarchive.windows(prepared, prepared="w4s", stale=True)
    np.testing.assert_array_equal(told[0][0], first)
    np.testing.assert_array_equal(eegarchive.windows(f"{prepared}@then", prepared="w4s")[0][0], first)
    with eegarchive.edit(prepared) as night:
        night.thaw("then")
    np.testing.assert_array_equal(eegarchive.windows(prepared, prepared="w4s")[0][0], first)
    assert errors(prepared) == []


def test_an_edit_that_keeps_the_state_keeps_the_windows(prepared: Path) -> None:
    dataset = eegarchive.windows(prepared, prepared="w4s")
    first = dataset[0][0]
    with eegarchive.edit(prepared) as night:
        night.cache["c"].put("x", 1.0)
        night.freeze("then")
    np.testing.assert_array_equal(dataset[0][0], first)
    with eegarchive.edit(prepared) as night:
        night.prepare_windows("w4s", 4.0, picks="eog", overwrite=True)
    with pytest.raises(eegarchive.StaleValue, match="prepared anew"):
        dataset[0]
    with eegarchive.edit(prepared) as night:
        night.remove_windows("w4s")
    with pytest.raises(eegarchive.NotInArchive, match="no set of windows 'w4s'; there are none"):
        dataset[0]


@pytest.mark.clause("O-1")
def test_history_tells_and_no_digest_of_a_state_changes(prepared: Path) -> None:
    with eegarchive.edit(prepared) as night:
        before = night.digest
        night.prepare_windows("b", 5.0, 2.5, picks=["eeg"])
        night.remove_windows("w4s")
        assert night.digest == before
    with eegarchive.open(prepared) as night:
        rows = night.history.columns()
        assert rows["operation"].tolist()[-2:] == ["prepare-windows", "remove-windows"]
        told = json.loads(rows["parameters"][-2])
        assert told == {
            "name": "b", "length": 5.0, "step": 2.5, "picks": ["eeg"], "drop_masked": True, "dtype": "digital",
            "codec": "none",
        }  # fmt: skip
        assert json.loads(rows["parameters"][-1]) == {"name": "w4s"}
        assert set(rows["digest_after"][-2:]) == {before} == set(rows["digest_before"][-2:])


def test_what_fails_leaves_nothing(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with eegarchive.edit(prepared) as night:
        history = len(night.history)
        with pytest.raises(eegarchive.TargetExists):
            night.prepare_windows("w4s", picks="eeg")
        with pytest.raises(eegarchive.EEGArchiveError, match="can't be the name"):
            night.prepare_windows("a/b", picks="eeg")
        for name in (".", ".."):
            with pytest.raises(eegarchive.EEGArchiveError, match="can't be the name"):
                night.prepare_windows(name, picks="eeg")
        for text in ("a\0", "a\ud800"):
            with pytest.raises(eegarchive.EEGArchiveError, match="a target"):
                night.prepare_windows("x", picks="eeg", target=lambda info, text=text: text)  # type: ignore[misc]
        with pytest.raises(eegarchive.EEGArchiveError, match="no window of 1000 s"):
            night.prepare_windows("x", 1000.0, picks="eeg")
        with pytest.raises(eegarchive.EEGArchiveError, match="'float32' or 'digital'"):
            night.prepare_windows("x", picks="eeg", dtype="float64")  # type: ignore[arg-type]
        with pytest.raises(eegarchive.EEGArchiveError, match="codec 'zip'"):
            night.prepare_windows("x", picks="eeg", codec="zip")
        with pytest.raises(eegarchive.NotInArchive, match="there are w4s"):
            night.remove_windows("x")
        with monkeypatch.context() as patch:
            patch.setattr("eegarchive.editing.windows._link_table", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                night.prepare_windows("w4s", picks="eog", overwrite=True)
        assert len(night.history) == history
    assert len(eegarchive.windows(prepared, prepared="w4s")) == 75
    assert errors(prepared) == []
    with h5py.File(prepared, "r") as h5:
        assert list(h5["windows"]) == ["w4s"]
    with eegarchive.edit(prepared) as night:
        night.remove_windows("w4s")
    with h5py.File(prepared, "r") as h5:
        assert "windows" not in h5
    assert errors(prepared) == []


def test_an_edit_that_is_given_up_leaves_nothing(psg: Path) -> None:
    before = psg.read_bytes()
    with pytest.raises(RuntimeError), eegarchive.edit(psg) as night:
        night.prepare_windows("w", picks="eeg")
        raise RuntimeError
    assert psg.read_bytes() == before


def test_rewriting_keeps_them(prepared: Path) -> None:
    with eegarchive.edit(prepared) as night:
        night.prepare_windows("fast", 4.0, picks="eeg", codec="fast", target="epoch:epoch")
    cut = eegarchive.windows(prepared, 4.0, picks="eeg", target="epoch:epoch")
    for rewrite in (eegarchive.compact, lambda path: eegarchive.recode(path, "fast")):
        rewrite(prepared)
        for name in ("w4s", "fast"):
            assert equal(cut, eegarchive.windows(prepared, prepared=name))
        assert errors(prepared) == []


def test_moved_and_replaced_files(prepared: Path, tmp_path: Path) -> None:
    dataset = eegarchive.windows(prepared, prepared="w4s")
    first = dataset[0][0]
    other = Path(shutil.copy(prepared, tmp_path / "other.h5"))
    with eegarchive.edit(other) as night:
        night.prepare_windows("w4s", 4.0, picks="eog", overwrite=True)
    np.testing.assert_array_equal(dataset[0][0], first)
    os.replace(other, prepared)
    with pytest.raises(eegarchive.StaleValue):
        dataset[0]


# -- damage -------------------------------------------------------------------------------------------------


@pytest.mark.clause("K-5")
@pytest.mark.parametrize("codec", CODECS)
def test_a_flipped_bit_is_noticed(psg: Path, codec: str) -> None:
    with eegarchive.edit(psg) as night:
        night.prepare_windows("w", picks="eeg", codec=codec)
    with h5py.File(psg, "r") as h5:
        chunk = h5["windows/w/samples"].id.get_chunk_info(7)
    with open(psg, "r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))
    dataset = eegarchive.windows(psg, prepared="w")
    for _ in range(2):
        with pytest.raises(eegarchive.InvalidArchive, match="window 7"):
            dataset[7]
    assert dataset[6][2][0] == 6
    assert any(path.startswith("/windows/w") for path, _ in errors(psg))


def spoilt(path: Path, spoil: Callable[[h5py.Group], None], redigest: bool = True) -> None:
    """Change a set by raw HDF5, and bring the outer digests up to date."""
    with open(path, "rb") as file:
        sealed = seal.find(file.fileno())
    assert sealed is not None
    os.truncate(path, sealed[0])
    with h5py.File(path, "r+", libver=layout.LIBVER, locking=False) as h5:
        group = h5["windows/w4s"]
        spoil(group)
        if redigest:
            objects.write_attribute(group, "contents_digest", digest.part_digest(group))
        objects.write_attribute(h5, "archive_digest", digest.archive_digest(h5))
    seal.append(path)


def replace_rows(**columns: Any) -> Callable[[h5py.Group], None]:
    def spoil(group: h5py.Group) -> None:
        rows = group["rows"][()]
        for name, values in columns.items():
            rows[name] = values
        del group["rows"]
        objects.link(objects.write_table(group, rows), group, "rows")

    return spoil


def no_boolean(group: h5py.Group) -> None:
    rows = group["rows"][()]
    fields = [(name, rows.dtype[name]) for name in rows.dtype.names[:-1]]
    changed = np.zeros(len(rows), [*fields, ("target", "u1")])
    for name, _ in fields:
        changed[name] = rows[name]
    changed["target"] = 2
    del group["rows"]
    objects.link(objects.write_table(group, changed), group, "rows")


def fewer_rows(group: h5py.Group) -> None:
    rows = group["rows"][:-1]
    del group["rows"]
    objects.link(objects.write_table(group, rows), group, "rows")


def other_chunks(group: h5py.Group) -> None:
    samples = group["samples"][()]
    del group["samples"]
    group.create_dataset("samples", data=samples, chunks=(2, *samples.shape[1:]), fletcher32=True)


def one_missing(group: h5py.Group) -> None:
    shape, dtype = group["samples"].shape, group["samples"].dtype
    del group["samples"]
    made = group.create_dataset("samples", shape, dtype, chunks=(1, *shape[1:]), fletcher32=True)
    made[:-1] = 0
    objects.write_attribute(made, "samples_sha256", "0" * 64)


def one_unfiltered(group: h5py.Group) -> None:
    raw = group["samples"][3].tobytes()
    group["samples"].id.write_direct_chunk((3, 0, 0), raw, filter_mask=1)


def other_sample(group: h5py.Group) -> None:
    group["samples"][0, 0, 0] += 1


def same_channels(group: h5py.Group) -> None:
    rows = group["channels"][()]
    rows["name"] = rows["name"][0]
    del group["channels"]
    objects.link(objects.write_table(group, rows), group, "channels")


@pytest.mark.parametrize(
    ("spoil", "where", "refused"),
    [
        pytest.param(lambda g: g.create_group("more"), "/windows/w4s/more", False, marks=pytest.mark.clause("W-3")),
        pytest.param(
            lambda g: objects.write_attribute(g, "state", "x"), "/windows/w4s", True, marks=pytest.mark.clause("W-2")
        ),
        pytest.param(lambda g: g.attrs.__delitem__("state"), "/windows/w4s", True, marks=pytest.mark.clause("W-2")),
        pytest.param(
            lambda g: objects.write_attribute(g, "parameters", "{"),
            "/windows/w4s", False, marks=pytest.mark.clause("W-2"),
        ),
        pytest.param(
            lambda g: g.move("rows", "lines"), "/windows/w4s", True, marks=pytest.mark.clause("W-3")
        ),
        pytest.param(other_chunks, "/windows/w4s", True, marks=pytest.mark.clause("W-4", "C-8")),
        pytest.param(one_missing, "/windows/w4s", True, marks=pytest.mark.clause("W-4", "K-6")),
        pytest.param(one_unfiltered, "/windows/w4s", True, marks=pytest.mark.clause("K-6")),
        pytest.param(other_sample, "/windows/w4s/samples", False, marks=pytest.mark.clause("W-4", "D-8")),
        pytest.param(same_channels, "/windows/w4s/channels", False, marks=pytest.mark.clause("W-5")),
        pytest.param(fewer_rows, "/windows/w4s", True, marks=pytest.mark.clause("W-6")),
        pytest.param(replace_rows(stop=5), "/windows/w4s/rows", False, marks=pytest.mark.clause("W-6")),
        pytest.param(replace_rows(onset=np.nan), "/windows/w4s/rows", False, marks=pytest.mark.clause("W-6")),
        pytest.param(no_boolean, "/windows/w4s/rows", False, marks=pytest.mark.clause("W-6")),
        pytest.param(
            lambda g: objects.write_attribute(g, "sampling_rate", float("inf")),
            "/windows/w4s", False, marks=pytest.mark.clause("W-2"),
        ),
        pytest.param(replace_rows(i=5), "/windows/w4s/rows", False, marks=pytest.mark.clause("W-6")),
    ],
)  # fmt: skip
def test_what_breaks_a_clause_is_found(
    prepared: Path, spoil: Callable[[h5py.Group], None], where: str, refused: bool
) -> None:
    spoilt(prepared, spoil)
    found = errors(prepared)
    assert [path for path, _ in found if path.startswith(where)], found
    if refused:
        unfit = "missing, doubled or unfiltered" if spoil in (one_missing, one_unfiltered) else None
        with pytest.raises(eegarchive.EEGArchiveError, match=unfit):
            eegarchive.windows(prepared, prepared="w4s")[0]
    with eegarchive.open(prepared) as night:  # the rest stays readable
        assert night.signals["EEG Fpz-Cz"][:5].shape == (5,)


@pytest.mark.clause("D-6", "D-7", "D-8")
def test_digests(prepared: Path) -> None:
    spoilt(prepared, replace_rows(target=3), redigest=False)
    assert [path for path, _ in errors(prepared)] == ["/windows/w4s"]


@pytest.mark.clause("W-1")
def test_a_name_that_isnt_one(prepared: Path) -> None:
    with open(prepared, "rb") as file:
        sealed = seal.find(file.fileno())
    assert sealed is not None
    os.truncate(prepared, sealed[0])
    with h5py.File(prepared, "r+", libver=layout.LIBVER, locking=False) as h5:
        h5["windows"].move("w4s", "w 4 s")
        objects.write_attribute(h5, "archive_digest", digest.archive_digest(h5))
    seal.append(prepared)
    assert [path for path, _ in errors(prepared)] == ["/windows/w 4 s"]


# -- command line -------------------------------------------------------------------------------------------


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_by_command(psg: Path) -> None:
    assert "no windows were prepared" in run("windows", psg)
    told = run(
        "windows",
        psg,
        "prepare",
        "w",
        "--length",
        30,
        "--step",
        10,
        "--picks",
        "EEG Fpz-Cz",
        "--picks",
        "eog",
    )
    assert told == f"{psg}: 28 windows of 30 s stored as w\n"
    assert eegarchive.windows(psg, prepared="w").channels == ("EEG Fpz-Cz", "EOG horizontal")
    assert "int16" in run("windows", psg)
    assert "stale" not in run("windows", psg)
    assert "windows" in run("info", psg)
    run("epochs", psg)
    assert "stale" in run("windows", psg)
    assert "w (stale)" in run("info", psg)
    listed = json.loads(run("windows", psg, "--json"))["windows"]
    assert [(one["name"], one["windows"], one["stale"]) for one in listed] == [("w", 28, True)]
    assert listed == json.loads(run("info", psg, "--json"))["windows"]
    run("windows", psg, "rm", "w")
    assert "no windows were prepared" in run("windows", psg)


# -- commits meanwhile --------------------------------------------------------------------------------------


def rewrite(path: Path, rounds: int) -> None:
    """Store the same windows again and again, where there is room for them."""
    for i in range(rounds):
        with eegarchive.edit(path) as night:
            night.prepare_windows("w", 1.0, picks="eeg", overwrite=True)
            night.prepare_windows(
                "other", 1.0, picks="eog", overwrite=True, dtype=("digital", "float32")[i % 2]
            )


def test_commits_while_windows_are_read(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # so that what is stored again has the same digest
    rewrite(psg, 1)
    dataset = eegarchive.windows(psg, prepared="w")
    truth = [x for x, _, _ in eegarchive.windows(psg, 1.0, picks="eeg")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        writing = pool.apply_async(rewrite, (psg, 12))
        k = 0
        while not writing.ready():
            np.testing.assert_array_equal(dataset[k % 300][0], truth[k % 300])
            k += 1
        writing.get()
    assert k > 300
    assert errors(psg) == []
