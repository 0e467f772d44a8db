"""Clauses of spec/cache.md."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import check_cache, digest
from eegarchive.storage import objects

from .breaking import edited, errors, findings, reference, replace_table
from .reader import Reader, attributes_of, sha256_of_lines, table_lines

FAST = "3Hz +5%2F-5 V"
STATE = b"0" * 64
Change = Callable[[Any], Any]


@pytest.fixture
def cached(small: Path) -> Path:
    """The archive with the caches of the reference file: `power` and `odd names`, frozen as A, then changed."""
    reference._put_values(small)
    assert findings(small) == []
    return small


def change(path: Path, table: str, how: Change, *, cache: str = "cache/power") -> None:
    """Put other rows in the place of a table of a cache, by hand; digests are made anew."""
    with edited(path) as h5:
        rows = h5[f"{cache}/{table}"][()]
        made = how(rows)
        replace_table(h5, f"{cache}/{table}", rows if made is None else made)


def setting(column: str, row: int, value: Any) -> Change:
    def how(rows: Any) -> Any:
        if rows.dtype[column].kind == "S":  # a text column is as wide as its longest text
            texts = [*rows[column].tolist()]
            texts[row] = value
            return with_column(rows, column, np.array(texts, "S"))
        rows[column][row] = value
        return rows

    return how


def with_column(rows: Any, column: str, values: Any, name: str | None = None) -> Any:
    """Rows with another column in the place of one, packed."""
    fields, found = [], []
    for own in rows.dtype.names:
        data = np.asarray(values if own == column else rows[own])
        kind: Any = data.dtype
        if kind.kind == "S":
            kind = h5py.string_dtype("utf-8", max(1, max(map(len, data.tolist()), default=1)))
        fields.append((name if own == column and name else own, kind))
        found.append(data)
    out = np.zeros(len(rows), fields)
    for (own, _), data in zip(fields, found, strict=True):
        out[own] = data
    return out


def where(rows: Any, variable: bytes, nth: int = 0) -> int:
    return int(np.flatnonzero(rows["variable"] == variable)[nth])


def at(variable: bytes, column: str, value: Any) -> Change:
    return lambda rows: setting(column, where(rows, variable), value)(rows)


def replacing(column: str, how: Change, name: str | None = None) -> Change:
    return lambda rows: with_column(rows, column, how(rows[column]), name)


def same(values: Any) -> Any:
    return values


# -- what can't be in a cache -----------------------------------------------------------------------


@pytest.mark.clause("H-1", "H-2", "H-3", "H-4", "H-5", "H-7")
@pytest.mark.parametrize(
    ("table", "how", "message"),
    [
        ("num", at(b"PSD", "variable", b""), "no name"),
        ("num", at(b"PSD", "F", np.nan), "NaN for a level"),
        ("num", at(b"PSD", "factors", b"F,CH"), "list of factors 'F,CH'"),
        ("num", at(b"PSD", "factors", b"CH,CH"), "list of factors 'CH,CH'"),
        ("num", at(b"PSD", "factors", b"CH,Z"), "list of factors 'CH,Z'"),
        ("num", at(b"PSD", "factors", b"CH"), "doesn't have the factor F"),
        ("num", at(b"PSD", "missing", 2), "something else than 0 and 1"),
        ("num", at(b"PSD", "missing", 1), "a value where it is missing"),
        ("int", at(b"extremes", "missing", 1), "a value where it is missing"),
        ("text", at(b"note", "missing", 1), "a value where it is missing"),
        ("num_elements", setting("missing", 0, 1), "a value where it is missing"),
        ("bool", at(b"good", "value", 2), "neither 0 nor 1"),
        ("bool", at(b"good", "LIGHTS_OFF", 2), "other than 0 and 1"),
        ("int", at(b"extremes", "origin", -1), "origin that isn't there"),
        ("int", at(b"extremes", "origin", 99), "origin that isn't there"),
        ("num_vectors", setting("start", 1, 3), "one behind the other"),
        ("num_vectors", setting("start", 0, 1), "one behind the other"),
        ("num_vectors", setting("stop", -1, 4), "one behind the other"),
        ("num_elements", lambda rows: rows[:-1], "one behind the other"),
        ("text", lambda rows: rows[:0], "has no rows"),
        ("num", replacing("F", same, "stop"), "aren't those of a cache"),
        ("num", replacing("F", same, "F,G"), "can't be called 'F,G'"),
        ("num", replacing("F", lambda levels: levels.astype("<f4")), "levels of type float32"),
        ("num", replacing("value", lambda values: values.view("<i8")), "column value"),
        ("num", replacing("factors", lambda lists: np.full(len(lists), b"CH")), "no value has"),
    ],
)
def test_what_a_table_of_a_cache_cannot_have_is_found(
    cached: Path, table: str, how: Change, message: str
) -> None:
    change(cached, table, how)
    path = "/cache/power/" + ("num_vectors" if "behind" in message else table)
    found = findings(cached)
    assert any(message in finding.message for finding in found), found
    assert {(finding.severity, finding.path) for finding in found} == {("error", path)}


@pytest.mark.clause("H-3")
def test_levels_of_two_types_are_found(cached: Path) -> None:
    change(cached, "bool", lambda rows: rows[rows["factors"] != b"LIGHTS_OFF"])
    change(cached, "bool", replacing("F", lambda levels: np.array([b"8"] * len(levels))))
    assert "levels of the types num and text" in errors(cached)["/cache/power"]
    with eegarchive.open(cached) as archive, pytest.raises(eegarchive.InvalidArchive, match="factor F"):
        archive.cache["power"].summary()


def doubled(rows: Any) -> Any:
    return np.concatenate([rows, rows[:1]])


def both_zeros(rows: Any) -> Any:
    """The entry with the level -0, and another one with 0."""
    row = rows[(rows["factors"] == b"F") & (rows["F"] == 0)].copy()
    assert np.signbit(row["F"]).all()
    row["F"] = 0.0
    return np.concatenate([rows, row])


@pytest.mark.clause("H-6")
@pytest.mark.parametrize(("table", "how"), [("num", doubled), ("num", both_zeros), ("text", doubled)])
def test_a_doubled_key_is_found(cached: Path, table: str, how: Change) -> None:
    change(cached, table, how)
    assert "1 values have the variable, strata and state of another" in errors(cached)["/cache/power"]


@pytest.mark.clause("H-6")
def test_a_key_that_is_doubled_over_tables_is_found(cached: Path) -> None:
    change(cached, "int", at(b"extremes", "variable", b"nothing"))
    change(cached, "num_vectors", at(b"nothing", "E", 0))
    assert errors(cached) == {}  # N=0 isn't E=0
    change(cached, "int", replacing("N", same, "E"))
    change(cached, "int", replacing("factors", lambda lists: np.char.replace(lists.astype("S"), b"N", b"E")))
    assert "the first of 'nothing'" in errors(cached)["/cache/power"]


@pytest.mark.clause("H-2", "C-12")
@pytest.mark.parametrize("name", ["origins", "sources", "num_elements", "num_vectors"])
def test_a_missing_table_is_found(cached: Path, name: str) -> None:
    with edited(cached) as h5:
        del h5["cache/power"][name]
    assert f"{name!r} is missing" in errors(cached)["/cache/power"]
    with eegarchive.open(cached) as archive:
        if name != "num_vectors":
            with pytest.raises(eegarchive.EEGArchiveError, match=name):
                archive.cache["power"].summary()
        odd = {"Länge (m)": 2**63 - 1, "=1+1": True, "x y": " z "}
        assert archive.cache["odd names"].get("Größe [m]", odd) == 1
        assert len(archive.signals[FAST][:10]) == 10


@pytest.mark.clause("H-2")
def test_a_cache_without_values_is_found(cached: Path) -> None:
    with edited(cached) as h5:
        del h5["cache/odd names/int"]
    assert errors(cached)["/cache/odd names"] == "has no values"


@pytest.mark.clause("H-2", "D-6")
def test_a_cache_without_digest_is_found(cached: Path) -> None:
    with edited(cached, redigest=False) as h5:
        del h5["cache/power"].attrs["contents_digest"]
    assert "'contents_digest' is missing" in errors(cached)["/cache/power"]


@pytest.mark.clause("H-2", "D-6")
@pytest.mark.parametrize("name", ["later", "annotations", "cache", "signals"])
def test_a_member_of_a_later_version_is_a_warning_and_covered(cached: Path, name: str) -> None:
    with edited(cached) as h5:
        objects.link(objects.write_table(h5, h5["history"][()]), h5["cache/power"], name)
    assert [(f.severity, f.path) for f in findings(cached)] == [("warning", f"/cache/power/{name}")]
    with edited(cached, redigest=False) as h5:
        del h5["cache/power"][name]
        objects.link(objects.write_table(h5, h5["segments"][()]), h5["cache/power"], name)
    assert "contents_digest" in errors(cached)["/cache/power"]


@pytest.mark.clause("H-2")
@pytest.mark.parametrize("place", ["cache", "cache/power"])
def test_a_dataset_where_a_group_must_be_is_found(cached: Path, place: str) -> None:
    with edited(cached, redigest=False) as h5:
        del h5[place]
        objects.link(objects.write_table(h5, h5["segments"][()]), h5, "x")
        h5.move("x", place)
    assert "is a dataset where a group must be" in errors(cached)[f"/{place}"]


@pytest.mark.clause("D-6", "D-8", "H-2")
def test_a_changed_value_is_found_by_the_digest_of_its_cache(cached: Path) -> None:
    with edited(cached, redigest=False) as h5:
        rows = h5["cache/power/num"][()]
        rows["value"][0] = 9
        h5["cache/power/num"][...] = rows
    assert list(errors(cached)) == ["/cache/power"]


@pytest.mark.clause("D-7")
def test_another_digest_of_a_cache_is_found_at_the_root(cached: Path) -> None:
    with edited(cached, redigest=False) as h5:
        objects.write_attribute(h5["cache/power"], "contents_digest", "0" * 64)
    assert set(errors(cached)) == {"/", "/cache/power"}


@pytest.mark.clause("D-6", "F-4", "F-6")
def test_a_changed_cache_of_a_freeze_is_found(cached: Path) -> None:
    change(cached, "num", at(b"PSD", "missing", 2), cache="freezes/A/cache/power")
    assert set(errors(cached)) == {"/freezes/A/cache/power/num"}
    with edited(cached, redigest=False) as h5:
        objects.write_attribute(h5["freezes/A/cache/power"], "contents_digest", "0" * 64)
    assert "/freezes/A" in errors(cached)


def test_what_caches_share_is_read_once(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with eegarchive.edit(cached) as night:
        night.freeze("B")
        night.freeze("C")
    run, paths = check_cache._CacheCheck.run, []

    def noted(self: Any) -> None:
        paths.append(self._path)
        run(self)

    monkeypatch.setattr(check_cache._CacheCheck, "run", noted)
    assert findings(cached) == []
    assert paths == ["/cache/odd names", "/cache/power", "/freezes/A/cache/power"]


@pytest.mark.clause("D-4")
def test_odd_names_of_columns_enter_a_digest_in_hexadecimal(cached: Path) -> None:
    with Reader(cached) as reader:
        rows, _ = reader.table("/cache/odd names/int")
        lines = table_lines(rows, {})
        assert f"column hex:{'Länge (m)'.encode().hex()} i8" in lines
        assert "column hex:3d312b31 u1" in lines
        assert "column value i8" in lines
        assert digest.table_digest(rows, {}) == sha256_of_lines(lines)


def test_damage_in_a_cache_is_an_error_at_its_path(small: Path) -> None:
    values = np.random.default_rng(1).normal(size=50_000)
    with eegarchive.edit(small) as night:
        night.cache["big"].put_columns({"E": np.arange(50_000), "power": values}, ["E"])
        night.cache["other"].put("power", 1.0)
    with h5py.File(small) as h5:
        chunk = h5["cache/big/num"].id.get_chunk_info(1)
    reference.flip_bit(small, chunk.byte_offset + chunk.size // 2)
    found = errors(small)
    assert "/cache/big/num" in found
    assert not any("other" in path for path in found)
    with eegarchive.open(small) as archive:
        assert archive.cache["other"].get("power") == 1.0
        with pytest.raises(eegarchive.InvalidArchive):
            archive.cache["big"].get("power", E=3)


@pytest.mark.clause("G-1", "H-2")
@pytest.mark.parametrize(
    "place", ["cache", "cache/power", "cache/power/num", "freezes/A/cache/power/origins"]
)
@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/history"), h5py.ExternalLink("elsewhere.h5", "/x")], ids=["soft", "external"]
)
def test_links_in_caches_are_refused(cached: Path, place: str, link: Any) -> None:
    with edited(cached, redigest=False) as h5:
        del h5[place]
        h5[place] = link
    assert [finding.path for finding in findings(cached)] == ["/"]
    with eegarchive.open(cached) as archive, pytest.raises(eegarchive.UnsafeArchive):
        state = archive.freezes["A"] if place.startswith("freezes") else archive
        state.cache["power"].summary()


# -- what is put in is what the second reader finds --------------------------------------------------

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FACTORS: dict[str, Any] = {
    "CH": TEXTS,
    "F": st.floats(allow_nan=False),
    "E": INTEGERS,
    "größe; x": st.booleans(),
}
VALUES: dict[str, Any] = {"num": st.floats(), "int": INTEGERS, "text": TEXTS, "bool": st.booleans()}


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, dict[str, Any], str, Any]:
    strata = draw(st.fixed_dictionaries({}, optional=FACTORS))
    kind = draw(st.sampled_from(list(VALUES)))
    one = st.none() | VALUES[kind]
    return draw(st.sampled_from("ab")), strata, kind, draw(one | st.lists(one, max_size=4))


def exact(value: Any) -> Any:
    return [exact(one) for one in value] if isinstance(value, list) else repr(value)


@pytest.mark.clause("H-1", "H-3", "H-4", "H-5", "H-6")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries(), min_size=1, max_size=12))
def test_the_second_reader_finds_what_was_put_in(small: Path, put: list[Any]) -> None:
    expected: dict[Any, Any] = {}
    with eegarchive.edit(small) as night:
        night.cache.clear()
        for variable, strata, kind, value in put:
            night.cache["c"].put(variable, value, strata, type=kind)
            key = variable, frozenset(strata.items())
            expected.pop(key, None)
            expected[key] = (kind, exact(value))
    assert findings(small) == []
    with Reader(small) as reader:
        found = {one.key: (one.kind, exact(one.value)) for one in reader.entries(reader.h5["cache/c"])}
    assert found == expected


# -- where values come from -------------------------------------------------------------------------


@pytest.mark.clause("H-7", "H-12")
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("state", b"x", "no digest"),
        ("freeze", b"a b", "no tag"),
        ("basis", b"never", "none of clock, samples, state"),
        ("operation", b"", "no name"),
        ("parameters", b"[1]", "its parameters are no JSON object"),
        ("parameters", b'{"a": ', "its parameters are no JSON object"),
        ("parameters", b'{"a": ' + b"[" * 50_000, "its parameters are no JSON object"),
        ("versions", b"1.0", "its versions are no JSON object"),
        ("time", b"yesterday", "time 'yesterday'"),
        ("operation", b"compute", "its parameters have no 'variable'"),
    ],
)
def test_a_wrong_origin_is_found(cached: Path, column: str, value: bytes, message: str) -> None:
    change(cached, "origins", setting(column, 0, value))
    found = [finding.message for finding in findings(cached) if finding.path == "/cache/power/origins"]
    assert any(message in text for text in found), found


@pytest.mark.clause("H-7")
@pytest.mark.parametrize("text", ["{}", '{"a": NaN, "b": [-Infinity, 1e5]}', '{"é": "\\u0000"}'])
def test_json_as_it_may_be(cached: Path, text: str) -> None:
    change(cached, "origins", lambda rows: with_column(rows, "parameters", np.full(len(rows), text.encode())))
    assert findings(cached) == []


@pytest.mark.clause("H-8")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        (setting("source", 0, b"0" * 64), "isn't what the signals"),
        (setting("extent", 0, b"0" * 64), "isn't what the signals"),
        (setting("label", 0, b"other"), "isn't what the signals"),
        (setting("source", 0, b"0"), "is no digest"),
        (lambda rows: rows[1:], "isn't what the signals"),
        (doubled, "is there twice"),
        (setting("state", 0, STATE), "no value is of the state"),
    ],
)
def test_wrong_sources_are_found(cached: Path, how: Change, message: str) -> None:
    change(cached, "sources", how)
    found = findings(cached)
    assert any(message in finding.message for finding in found), found
    assert {(finding.severity, finding.path) for finding in found} == {("error", "/cache/power/sources")}


@pytest.mark.clause("H-8")
def test_sources_of_a_state_that_is_gone_are_taken_as_they_are(cached: Path) -> None:
    with eegarchive.edit(cached) as night:
        night.set_signal(FAST, add_offset=2.0)
    assert findings(cached) == []
    with Reader(cached) as reader:
        stated = reader.stated_sources(reader.h5["cache/power"])
        assert len(stated) == 2
        assert attributes_of(reader.h5)["digest"] not in stated
        assert stated[attributes_of(reader.h5["freezes/A"])["digest"]] == reader.sources("/freezes/A/")


# -- what is stale ----------------------------------------------------------------------------------

BASES = ("clock", "samples", "state")
CHANNELS = {
    "fast": {"CH": FAST},
    "slow": {"CH": "0.2Hz Blk 1/0uV "},
    "none": {"CH": "Cz"},
    "all": {},
    "E": {"E": 1},
}


def write_one_sample(night: eegarchive.EditableArchive) -> None:
    night.write_samples(FAST, 3, [1], digital=True)


def keep_a_part(night: eegarchive.EditableArchive) -> None:
    night.set_epochs(10)
    night.mask(keep_epochs=[2, 3])
    night.restructure(preserve_cache=True)


def mask_only(night: eegarchive.EditableArchive) -> None:
    night.set_epochs(10)
    night.mask(keep_epochs=[2, 3])


def thawed(night: eegarchive.EditableArchive) -> None:
    keep_a_part(night)
    night.thaw("first", preserve_cache=True)


ALL = {f"{basis} {name}" for basis in BASES for name in CHANNELS}
OF_STATE = {key for key in ALL if key.startswith("state")}
UNNAMED = {"samples none", "samples all", "samples E"}
OF_FAST = {"clock fast", "samples fast", *UNNAMED, *OF_STATE}
OPERATIONS: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "nothing": (lambda night: None, set()),
    "a mask": (mask_only, OF_STATE),
    "annotations": (lambda night: night.add_annotations([1.0], [1.0], "x"), OF_STATE),
    "another sample": (write_one_sample, OF_FAST),
    "another scale": (lambda night: night.set_signal(FAST, scale_factor=2.0), OF_FAST),
    "another unit": (lambda night: night.set_signal(FAST, units="mV"), OF_STATE),
    "another name": (lambda night: night.rename_signal(FAST, "F"), OF_FAST),
    "a signal less": (lambda night: night.drop_signals([FAST]), OF_FAST),
    "a signal more": (lambda night: night.copy_signal(FAST, "F"), OF_STATE),
    "a part": (keep_a_part, {"samples fast", "samples slow", *UNNAMED, *OF_STATE}),
    "thawed": (thawed, set()),
}


@pytest.mark.clause("H-8", "H-9", "H-10")
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_stale_after_an_operation(small: Path, name: str) -> None:
    operation, expected = OPERATIONS[name]
    with eegarchive.edit(small) as night:
        for basis in BASES:
            for key, strata in CHANNELS.items():
                night.cache["c"].put(f"{basis} {key}", 1.0, strata, basis=basis)
        night.freeze("first")
    with eegarchive.edit(small) as night:
        operation(night)
    with Reader(small) as reader:
        found = {entry.variable for entry, values in reader.answers("/", "c") if not values}
        assert found == expected
        for entry, values in reader.answers("/freezes/first/", "c"):
            assert [value.value for value in values] == [1.0], entry.variable
    with eegarchive.open(small) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        assert {entry.variable for entry in archive.cache["c"].select()} == ALL - expected
        assert {entry.variable for entry in archive.cache["c"].select(stale=True) if entry.stale} == expected
        for variable in expected:
            strata = CHANNELS[variable.split()[1]]
            with pytest.raises(eegarchive.StaleValue, match="is stale"):
                archive.cache["c"].get(variable, strata)
        assert len(archive.freezes["first"].cache["c"].select()) == len(ALL)
    assert findings(small) == []


@pytest.mark.clause("H-9")
def test_a_label_that_two_signals_have_names_none(labels: Path) -> None:
    with eegarchive.open(labels) as archive:
        doubles: dict[str, list[str]] = {}
        for name, signal in archive.signals.items():
            doubles.setdefault(signal.label, []).append(name)
    label, names = next((label, names) for label, names in doubles.items() if len(names) == 2)
    with eegarchive.edit(labels) as night:
        night.cache["c"].put("a", 1.0, CH=label)
        night.cache["c"].put("a", 1.0, CH=names[1])
        night.set_signal(names[1], scale_factor=2.0)
    with Reader(labels) as reader, eegarchive.open(labels) as archive:
        stale = {entry.strata["CH"] for entry, values in reader.answers("/", "c") if not values}
        assert stale == {names[1]}
        assert archive.cache["c"].get("a", CH=label) == 1.0
        with pytest.raises(eegarchive.StaleValue):
            archive.cache["c"].get("a", CH=names[1])


@pytest.mark.clause("H-8", "H-9")
def test_values_of_a_recording_without_signals_hold(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "data" / "edfplusc_hypnogram_annotations_only.edf"
    path = tmp_path / "a.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eegarchive.OddInput)
        eegarchive.convert(source, path)
    with eegarchive.edit(path) as night:
        for basis in BASES:
            night.cache["c"].put(basis, 1.0, CH="C3", basis=basis)
        night.drop_annotations("R")
    with Reader(path) as reader, eegarchive.open(path) as archive:
        assert {entry.variable for entry, values in reader.answers("/", "c") if not values} == {"state"}
        assert archive.cache["c"].get("clock", CH="C3") == archive.cache["c"].get("samples", CH="C3") == 1.0


@pytest.mark.clause("H-10", "H-11")
def test_values_of_frozen_states_stay_and_others_go(small: Path) -> None:
    with eegarchive.edit(small) as night:
        for number in range(4):
            night.set_signal(FAST, units=f"{number} V")
            night.cache["c"].put("a", number, CH=FAST)
            if number in (0, 2):
                night.freeze(f"f{number}")
    with Reader(small) as reader:
        assert sorted(entry.value for entry in reader.entries(reader.h5["cache/c"])) == [0, 2, 3]
        assert [[v.value for v in values] for _, values in reader.answers("/", "c")] == [[3]]
        assert [[v.value for v in values] for _, values in reader.answers("/freezes/f2/", "c")] == [[2]]
    with eegarchive.edit(small) as night:
        night.set_signal(FAST, units="V")
    with Reader(small) as reader, eegarchive.open(small) as archive:
        ((_, values),) = reader.answers("/", "c")
        assert len(values) == 3  # each holds, and none is the state's own
        with pytest.raises(eegarchive.EEGArchiveError, match="was computed on"):
            archive.cache["c"].get("a", CH=FAST)
        assert archive.freezes["f0"].cache["c"].get("a", CH=FAST) == 0


# -- what a function gave ---------------------------------------------------------------------------


def band(night: Any, channel: str, band: tuple[int, int], twice: bool) -> float:
    return float(band[0] + band[1])


def spectrum(night: Any, channel: str) -> eegarchive.Stratified:
    return eegarchive.Stratified(np.arange(6.0).reshape(2, 3), {"E": [1, 2], "F": [0.5, 1.0, 1.5]})


@pytest.mark.clause("H-12", "H-7")
def test_what_a_function_gave_can_be_traced(small: Path) -> None:
    with eegarchive.edit(small) as night:
        night.cache["c"].compute("power", band, channel=FAST, band=(8, 12), twice=True)
        night.cache["c"].compute("spectrum", spectrum, channel=FAST)
    assert findings(small) == []
    with Reader(small) as reader:
        entries = reader.entries(reader.h5["cache/c"])
        (power,) = (entry for entry in entries if entry.variable == "power")
        assert power.strata == {"channel": FAST, "band": "[8, 12]", "twice": True}
        stated = json.loads(power.origin["parameters"])
        assert stated["variable"] == "power"
        assert stated["strata"] == {"channel": FAST, "band": [8, 12], "twice": True}
        assert stated["packages"].items() <= json.loads(power.origin["versions"]).items()
        assert power.origin["function"].endswith(":band")
        assert power.origin["operation"] == "compute"
        assert len(power.origin["code"]) == 64
        several = [entry for entry in entries if entry.variable == "spectrum"]
        stated = json.loads(several[0].origin["parameters"])
        assert (stated["axes"], stated["shape"], stated["types"]) == (["E", "F"], [2, 3], ["int", "num"])
        assert [entry.value for entry in several] == [0, 1, 2, 3, 4, 5]
        assert [entry.strata["F"] for entry in several] == [0.5, 1, 1.5, 0.5, 1, 1.5]
        assert {entry.origin["parameters"] for entry in several} == {several[0].origin["parameters"]}


@pytest.mark.clause("H-3")
def test_factors_that_no_table_can_name_are_refused(small: Path) -> None:
    with eegarchive.edit(small) as night:
        night.cache["c"].put("a", 1.0)
    wide = {f"factor {number}": number for number in range(3_000)}
    refused = pytest.raises(eegarchive.EEGArchiveError, match="'c': a table of 3005 columns")
    with refused, eegarchive.edit(small) as night:
        night.cache["c"].put("a", 1.0, wide)
    for count, level in ((1_700, 1.5), (240, True)):  # as many as may be, of short and of long names
        with eegarchive.edit(small) as night:
            night.cache["c"].clear()
            names = [f"{number:03}" if count > 1_000 else f"{number:0230}" for number in range(count)]
            night.cache["c"].put("a", 2.0, dict.fromkeys(names, level))
        assert findings(small) == []
