"""Arrays with named axes, as functions give them, become values with strata; and the same arrays again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import eegarchive
from eegarchive import Stratified
from eegarchive.cache.results import block_of, value_of

CHANNELS, FREQUENCIES = ["C3", "C4"], np.array([0.5, 1.0, 13.5])
POWER = np.arange(6.0).reshape(2, 3)


def again(found: Any) -> Any:
    """What a first call gives of it."""
    return value_of(*block_of("PSD", {}, found))


def levels(found: Stratified) -> dict[str, tuple[str, list[Any]]]:
    return {name: (own.dtype.name, own.tolist()) for name, own in found.axes.items()}


def same(one: Stratified, other: Stratified) -> bool:
    """Equal in type, dtype and content, NaN and what is missing too."""
    assert levels(one) == levels(other)
    assert (type(one.values), one.values.dtype) == (type(other.values), other.values.dtype)
    missing = [np.ma.getmaskarray(found.values) for found in (one, other)]
    plain = [np.ma.getdata(found.values)[~missing[0]] for found in (one, other)]
    return np.array_equal(*missing) and plain[0].tolist().__repr__() == plain[1].tolist().__repr__()


def test_each_value_has_a_stratum_of_its_own(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        cache = night.cache["p1"]
        cache.compute("PSD", lambda night: Stratified(POWER, {"CH": CHANNELS, "F": FREQUENCIES}))
        assert len(cache) == 6
        assert cache.get("PSD", CH="C4", F=13.5) == 5.0
        assert cache.factors == {"CH": CHANNELS, "F": FREQUENCIES.tolist()}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (POWER, "float64"),
        (POWER.astype(np.float32) / 3, "float64"),
        (POWER.astype(np.int16), "int64"),
        (POWER.astype(np.uint8), "int64"),
        (POWER > 2, "bool"),
        (np.array([["a", "é", ""], ["x" * 100, " b ", "🧠"]]), "object"),
        (np.array([["a", None, ""], ["b", "c", None]], object), "object"),
        (np.array([[np.nan, np.inf, -0.0], [-np.inf, 5e-324, 0.1]]), "float64"),
        (np.ma.MaskedArray(POWER, POWER > 3), "float64"),
        (np.ma.MaskedArray(POWER.astype(int), POWER < 1), "int64"),
        (np.asfortranarray(POWER), "float64"),
        (POWER[:, ::-1], "float64"),
    ],
    ids=str,
)
def test_values_of_every_type_come_back_the_same(psg: Path, values: Any, kind: str) -> None:
    given = Stratified(values, {"CH": CHANNELS, "F": FREQUENCIES})
    with eegarchive.open(psg) as archive:
        first = archive.cache["p1"].compute("PSD", lambda night: given, version="1")
        assert first.value.values.dtype == kind
        plain = np.ma.getmaskarray(values) | (np.asarray(values) == None)  # noqa: E711
        assert np.array_equal(np.ma.getmaskarray(first.value.values), plain)
        expected = np.ma.getdata(values)[~plain]
        assert np.ma.getdata(first.value.values)[~plain].tolist().__repr__() == expected.tolist().__repr__()
    with eegarchive.open(psg) as archive:
        later = archive.cache["p1"].compute("PSD", lambda night: given, version="1")
    assert (first.reused, later.reused) == (False, True)
    assert same(first.value, later.value)
    assert eegarchive.verify(psg) == []


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        ([3, 1, 2], "int64"),
        (np.array([3, 1, 2], np.uint8), "int64"),
        ([0.1, 1e300, -5.0], "float64"),
        (["b", "a", "C3-Ä"], "object"),
        (np.array(["b", "a", "ccc"]), "object"),
        (pd.Index(["b", "a", "ccc"]), "object"),
        (np.array([2.5, 1.5, 0.5], np.float32), "float64"),
    ],
    ids=str,
)
def test_levels_of_every_type_come_back_in_their_order(psg: Path, own: Any, kind: str) -> None:
    given = Stratified(POWER, {"B": [True, False], "X": own})
    with eegarchive.open(psg) as archive:
        first = archive.cache["p1"].compute("PSD", lambda night: given, version="1").value
    with eegarchive.open(psg) as archive:
        later = archive.cache["p1"].compute("PSD", lambda night: given, version="1").value
    assert same(first, later)
    assert levels(first) == {"B": ("bool", [True, False]), "X": (kind, list(own))}


def test_integer_levels_stay_integers_where_the_cache_has_them_as_numbers(psg: Path) -> None:
    """Another value with F=0.5 makes all levels of F numbers."""
    given = Stratified(np.arange(3), {"F": [1, 2, 3]})
    with eegarchive.edit(psg) as night:
        night.cache["p1"].put("other", 1, F=0.5)
    with eegarchive.open(psg) as archive:
        first = archive.cache["p1"].compute("PSD", lambda night: given, version="1")
        later = archive.cache["p1"].compute("PSD", lambda night: given, version="1")
        assert archive.cache["p1"].get("PSD", F=2) == 1
    assert later.reused
    assert levels(later.value) == {"F": ("int64", [1, 2, 3])}
    assert same(first.value, later.value)


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("dtype", [float, int, bool, object])
def test_an_array_without_values_is_kept_too(psg: Path, shape: tuple[int, ...], dtype: type) -> None:
    """No spindle in the whole night: nothing to compute a second time."""
    axes = dict(zip("AB", ([["C3", "C4"], []][not n] for n in shape), strict=False))
    given = Stratified(np.zeros(shape, dtype), axes)
    with eegarchive.open(psg) as archive:
        first = archive.cache["p1"].compute("N", lambda night, **_: given, version="1", CH="C3")
    with eegarchive.open(psg) as archive:
        later = archive.cache["p1"].compute("N", lambda night, **_: given, version="1", CH="C3")
        assert archive.cache["p1"].get("N", CH="C3").shape == (0,)
    assert (first.reused, later.reused) == (False, True)
    assert first.value.values.shape == later.value.values.shape == shape
    assert same(first.value, later.value)
    if dtype is not object:  # an empty one of objects could be of any type
        assert later.value.values.dtype == np.dtype(dtype)
    assert eegarchive.verify(psg) == []


def test_a_long_one_replaces_an_empty_one_and_the_other_way_round(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        for version, count in enumerate([0, 3, 1, 0, 2]):
            given = Stratified(np.arange(count), {"N": np.arange(count)})
            for reused in (False, True):
                found = cache.compute("x", lambda night, own=given: own, version=str(version))
                assert (found.reused, found.value.values.tolist()) == (reused, list(range(count)))
            assert len(cache) == max(1, count)


def test_xarray_and_pandas_name_their_axes_themselves() -> None:
    array = xarray.DataArray(POWER, {"CH": CHANNELS, "F": FREQUENCIES}, ("CH", "F"), attrs={"units": "uV"})
    expected = again(Stratified(POWER, {"CH": CHANNELS, "F": FREQUENCIES}))
    assert same(again(array), expected)
    assert same(again(array.T), again(Stratified(POWER.T, {"F": FREQUENCIES, "CH": CHANNELS})))
    assert again(array).to_xarray().equals(xarray.DataArray(POWER, array.coords, array.dims))
    series = pd.Series([1.5, 2.5], pd.Index(CHANNELS, name="CH"))
    assert same(again(series), again(Stratified(np.array([1.5, 2.5]), {"CH": CHANNELS})))
    assert again(array.sel(CH="C4", F=13.5)) == 5.0
    assert type(again(array.sel(CH="C4", F=13.5))) is float


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        (pd.array(["a", None], dtype="string"), ["a", None]),
        (pd.array([0.5, None], dtype="Float64"), [0.5, None]),
    ],
    ids=str,
)
def test_what_pandas_says_is_missing_is_masked(values: Any, expected: list[Any]) -> None:
    found = again(pd.Series(values, pd.Index(CHANNELS, name="CH"))).values
    assert [None if gone else value for value, gone in zip(found.data, found.mask, strict=True)] == expected


def test_nan_in_a_plain_series_is_a_number() -> None:
    found = again(pd.Series([0.5, np.nan], pd.Index(CHANNELS, name="CH"))).values
    assert not np.ma.isMaskedArray(found)
    assert np.isnan(found[1])


TWO = pd.MultiIndex.from_tuples([("C3", 1), ("C4", 2)], names=["CH", "E"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.Series([1, 2]), "a series whose index has no name, which would be the factor's"),
        (pd.Series([1, 2], TWO), "a series with an index of several levels; unstack it, and give"),
        (
            xarray.DataArray(POWER, dims=("CH", "F")),
            "the axis CH has no coordinates, which would be its levels",
        ),
        (
            Stratified(POWER, {"CH": [1, None], "F": FREQUENCIES}),
            "PSD: the axis CH has a level that is missing",
        ),
        (Stratified(POWER, {"STAGE": CHANNELS, "F": FREQUENCIES}), "PSD: the axis STAGE has the name of a"),
        (Stratified(POWER[:0], {"STAGE": [], "F": FREQUENCIES}), "PSD: the axis STAGE has the name of a"),
        (
            Stratified(POWER, {"CH": ["C3", "C3"], "F": FREQUENCIES}),
            "PSD of STAGE=N2, CH=C3, F=0.5: is given twice",
        ),
        (Stratified(POWER, {"CH": [1.0, np.nan], "F": FREQUENCIES}), "the factor CH has NaN for a level"),
        (Stratified(POWER, {"CH": ["C3", 4], "F": FREQUENCIES}), "CH: 'C3' (str) and 4 (int)"),
        (Stratified(POWER, {"value": CHANNELS, "F": FREQUENCIES}), "a factor can't be called 'value'"),
        (Stratified(POWER * 1j, {"CH": CHANNELS, "F": FREQUENCIES}), "PSD: complex128 is none of number"),
        (Stratified(POWER.astype(object) * 1j, {"CH": CHANNELS, "F": FREQUENCIES}), "j (complex)"),
        (
            xarray.DataArray(np.array(["2020-01-01"], "M8[ns]"), {"CH": ["C3"]}),
            "PSD: datetime64[ns] is none of number",
        ),
        (pd.Series([1], pd.DatetimeIndex(["2020-01-01"], name="T")), "T: datetime64["),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else type(value).__name__,
)
def test_what_has_no_strata_is_refused_and_nothing_stored(psg: Path, given: Any, message: str) -> None:
    before = psg.read_bytes()
    with eegarchive.open(psg) as archive:
        with pytest.raises(eegarchive.EEGArchiveError) as error:
            archive.cache["p1"].compute("PSD", lambda night, **_: given, STAGE="N2", version="1")
        assert str(error.value).startswith(f"{psg}: cache 'p1': ")
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert psg.read_bytes() == before


def test_the_shape_is_that_of_the_axes() -> None:
    with pytest.raises(eegarchive.EEGArchiveError, match=r"shape \(2, 3\) with axes of .*'CH': 2, 'F': 2"):
        Stratified(POWER, {"CH": CHANNELS, "F": [1, 2]})


def test_it_is_an_array_to_numpy() -> None:
    found = Stratified(POWER, {"CH": CHANNELS, "F": FREQUENCIES})
    assert np.array_equal(np.asarray(found), POWER)
    assert np.asarray(found, np.float32).dtype == np.float32
    assert np.mean(found) == 2.5


def test_what_a_call_gave_is_a_copy(psg: Path) -> None:
    """Changing it must change neither what is stored nor what others get."""
    given = Stratified(POWER.copy(), {"CH": np.array(CHANNELS, object), "F": FREQUENCIES.copy()})
    with eegarchive.edit(psg) as night:
        for _ in range(3):
            found = night.cache["p1"].compute("PSD", lambda night: given, version="1").value
            assert same(found, again(Stratified(POWER, {"CH": CHANNELS, "F": FREQUENCIES})))
            found.values[:] = -1
            found.axes["CH"][:] = "gone"
            found.axes["F"][:] = -1
            given.values[:] = -2
    with eegarchive.open(psg) as archive:
        for _ in range(2):
            found = archive.cache["p1"].compute("PSD", lambda night: given, version="1").value
            assert same(found, again(Stratified(POWER, {"CH": CHANNELS, "F": FREQUENCIES})))
            found.values[:] = -1


scalars = {
    "num": st.floats(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    "bool": st.booleans(),
}
level_lists = st.one_of(
    st.lists(st.floats(allow_nan=False).map(lambda x: x + 0.0), unique=True, max_size=4),
    st.lists(scalars["int"], unique=True, max_size=4),
    st.lists(scalars["text"], unique=True, max_size=4),
    st.lists(st.booleans(), unique=True, max_size=2),
)


@st.composite
def stratified_arrays(draw: st.DrawFn) -> Stratified:
    axes = draw(st.lists(level_lists, max_size=3))
    shape = tuple(map(len, axes))
    kind = draw(st.sampled_from(sorted(scalars)))
    dtype = {"num": float, "int": np.int64, "text": object, "bool": bool}[kind]
    values = draw(arrays.arrays(dtype, shape, elements=scalars[kind]))
    if values.size and draw(st.booleans()):
        values = np.ma.MaskedArray(values, draw(arrays.arrays(bool, shape)))
    return Stratified(values, {f"axis {i}": own for i, own in enumerate(axes)})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=stratified_arrays())
def test_any_array_comes_back_as_it_was(psg: Path, array: Stratified) -> None:
    with eegarchive.edit(psg) as night:
        night.cache.clear()
        first = night.cache["p1"].compute("x", lambda night: array, version="1")
    with eegarchive.open(psg) as archive:
        later = archive.cache["p1"].compute("x", lambda night: array, version="1")
    assert later.reused
    assert same(first.value, later.value)
    assert {name: list(own) for name, own in later.value.axes.items()} == array.axes
    missing = np.ma.getmaskarray(array.values)
    if missing.all():
        assert np.ma.getmaskarray(later.value.values).all()
    else:
        expected = np.ma.getdata(array.values)[~missing]
        assert repr(np.ma.getdata(later.value.values)[~missing].tolist()) == repr(expected.tolist())
