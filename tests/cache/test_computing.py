"""`compute`: a function is called when it must be, and never is a value given that is another's."""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import eegarchive
from eegarchive import provenance

FPZ = "EEG Fpz-Cz"
CALLS: list[Any] = []


def called(what: Any) -> None:
    """Note a call; looked up by a text, so that no fingerprint holds the list."""
    sys.modules[__name__].CALLS.append(what)


def rms(night: Any, channel: str = FPZ, scale: float = 1.0) -> float:
    called((channel, scale))
    return scale * float(np.sqrt(np.mean(night.signals[channel][:] ** 2)))


@pytest.fixture(autouse=True)
def calls() -> list[Any]:
    """What was called."""
    CALLS.clear()
    return CALLS


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Writes modules, imports them anew, and gives the function `power` of the last."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(**modules: str) -> Any:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return [importlib.import_module(name) for name in modules][-1].power

    return load


def files(path: Path) -> dict[str, tuple[int, bytes]]:
    """What lies in an archive's folder, and when it was changed."""
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in path.parent.iterdir()}


def whole(path: Path) -> bool:
    return eegarchive.verify(path) == []


# -- once ---------------------------------------------------------------------------------------------


def test_it_is_called_once(psg: Path, calls: list[Any]) -> None:
    with eegarchive.open(psg) as archive:
        first = archive.cache["p1"].compute("rms", rms)
        second = archive.cache["p1"].compute("rms", rms)
    with eegarchive.open(psg) as archive:
        third = archive.cache["p1"].compute("rms", rms)
        assert archive.cache["p1"].get("rms") == first.value
        assert len(archive.cache["p1"]) == 1
    assert (first.reused, first.stored, first.reason) == (False, True, "there was none")
    assert (second.reused, second.stored, second.reason) == (True, True, "nothing has changed")
    assert first.value == second.value == third.value > 0
    assert len(calls) == 1
    assert whole(psg)


def test_in_an_edit_it_is_called_once_too(psg: Path, calls: list[Any]) -> None:
    with eegarchive.edit(psg) as night:
        assert not night.cache["p1"].compute("rms", rms).reused
        assert night.cache["p1"].compute("rms", rms).reused
    with eegarchive.open(psg) as archive:
        assert archive.cache["p1"].compute("rms", rms).reused
    assert len(calls) == 1
    assert whole(psg)


def test_each_parameter_has_a_value_of_its_own(psg: Path, calls: list[Any]) -> None:
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        for _ in range(2):
            for channel in (FPZ, "EEG Pz-Oz"):
                for scale in (1.0, 2.0):
                    found = cache.compute("rms", rms, channel=channel, scale=scale)
                    assert found.value == cache.get("rms", channel=channel, scale=scale)
        assert not cache.compute("rms", rms, {"channel": FPZ}).reused
        assert not cache.compute("other", rms, {"channel": FPZ}, scale=1.0).reused
    assert len(calls) == 6


def test_cache_or_compute_as_the_manual_says_it(psg: Path) -> None:
    def bandpower(night: Any, band: tuple[float, float], **strata: str) -> float:
        power = np.abs(np.fft.rfft(night.signals[strata["CH"]][:3000])) ** 2
        return float(power[30 * band[0] : 30 * band[1]].sum())

    with eegarchive.open(psg) as archive:
        cache = archive.cache["features"]
        found = cache.compute("bandpower", bandpower, CH=FPZ, band=(8, 12))
        assert cache.compute("bandpower", bandpower, CH=FPZ, band=[8, 12]).reused
        assert not cache.compute("bandpower", bandpower, CH=FPZ, band=(8, 13)).reused
        for band in [(8, 12), [8, 12], "[8, 12]", (np.int64(8), 12)]:
            assert cache.get("bandpower", CH=FPZ, band=band) == found.value
            assert cache.entry("bandpower", CH=FPZ, band=band).origin.operation == "compute"
            assert [entry.value for entry in cache.select("bandpower", band=band)] == [found.value]
        for band in [(8, 14), (8.0, 12), {1, 2}, None, object()]:
            with pytest.raises(eegarchive.NotInArchive):
                cache.get("bandpower", CH=FPZ, band=band)


def test_parameters_that_look_alike_are_others(psg: Path, calls: list[Any]) -> None:
    def kind(night: Any, x: Any) -> str:
        called(x)
        return f"{type(x).__name__} {x!r}"

    alike: list[Any] = [
        (8, 12), "[8, 12]", (8.0, 12), "8", [[8], 12], {"a": 8}, '{"a": 8}', None, "null", "",
        np.array([8, 12]), np.array([8, 12], np.float32), np.array([8, 12], float), [True, 12], [None], [],
    ]  # fmt: skip
    with eegarchive.open(psg) as archive:
        for value in alike:
            assert archive.cache["p1"].compute("kind", kind, x=value).value == kind(archive, value)
    with eegarchive.open(psg) as archive:
        for name, value in {"1": 1, "1.0": 1.0, "True": True, "-0.0": -0.0, "0.0": 0.0}.items():
            assert archive.cache[f"x{name}"].compute("kind", kind, x=value).value == kind(archive, value)
        for value in (1, 1.0, -0.0, 0.0, 1, 0.5):  # one level, but another parameter
            assert archive.cache["numbers"].compute("kind", kind, x=value).value == kind(archive, value)
        small = np.float32(0.1)
        assert archive.cache["numbers"].compute("kind", kind, x=small).value == kind(archive, small.item())


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ({"x": {1, 2}}, "the parameter x: {1, 2} (set) is none that can be compared: give texts, numbers"),
        ({"x": {1: 2}}, "the parameter x: {1: 2} (dict)"),
        ({"x": [object]}, "the parameter x: <class 'object'> (type)"),
        ({"x": 1j}, "the parameter x: 1j (complex)"),
        ({"x": b"a"}, "the parameter x: b'a' (bytes)"),
        ({"x": np.ma.masked_equal([1, 2], 2)}, "(MaskedArray)"),
        ({"x": float("nan")}, "the factor x has NaN for a level"),
        ({"x": 2**70}, "the factor x: 1180591620717411303424 is beyond a 64-bit signed integer"),
        ({"x": "a\0b"}, "the factor x"),
        ({"x": "a" * 70_000}, "the factor x"),
        ({"CH": 3}, "the factor CH has levels of type text; 3 is int"),
        ({"value": 3}, "a factor can't be called 'value'"),
        ({"a,b": 3}, "a factor can't be called 'a,b'"),
        ({"": 3}, "''"),
    ],
    ids=str,
)
def test_what_is_no_parameter_is_refused_before_anything_is_computed(
    psg: Path, calls: list[Any], strata: dict[str, Any], message: str
) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p1"].put("x", 1, CH="C3")
    before = files(psg)

    def never(night: Any, **_: Any) -> int:
        called("never")
        return 1

    with eegarchive.open(psg) as archive, pytest.raises(eegarchive.EEGArchiveError) as error:
        archive.cache["p1"].compute("v", never, strata)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{psg}: cache 'p1': ")
    with eegarchive.open(psg) as archive:
        for cache, variable, options in [
            ("p/1", "v", {}), ("p1", "", {}), ("p1", "a\0", {}), ("p1", 5, {}),
            ("p1", "v", {"basis": "ever"}), ("p1", "v", {"packages": ["no-such-thing"]}),
            ("p1", "v", {"packages": ["no-such-thing"], "version": "1"}),
        ]:  # fmt: skip
            with pytest.raises(eegarchive.EEGArchiveError):
                archive.cache[cache].compute(variable, never, **options)
    assert calls == []
    assert files(psg) == before


# -- again, if anything is another --------------------------------------------------------------------


def reasons(path: Path, fn: Any = rms, **options: Any) -> tuple[bool, str]:
    """What a call does, and why; the next one must reuse."""
    with eegarchive.open(path) as archive:
        found = archive.cache["p1"].compute("rms", fn, **options)
        assert found.stored
        options.pop("force", None)
        assert archive.cache["p1"].compute("rms", fn, **options).reused
    return found.reused, found.reason


CHANGES: dict[str, Callable[[eegarchive.EditableArchive], object]] = {
    "filter": lambda night: night.filter(1, 30, [FPZ]),
    "mask": lambda night: night.mask(drop_epochs="2-3"),
    "annotations": lambda night: night.add_annotations([1.0], [2.0], ["spindle"]),
    "samples": lambda night: night.signals[FPZ].digital.__setitem__(slice(0, 3), [1, 2, 3]),
    "signal": lambda night: night.copy_signal(FPZ, "copy"),
    "other signal": lambda night: night.drop_signals(["EEG Pz-Oz"]),
    "epochs": lambda night: night.set_epochs(20),
    "restructure": lambda night: (night.mask(drop_epochs="2-3"), night.restructure(preserve_cache=True)),
}


@pytest.mark.parametrize("basis", ["state", "clock", "samples"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_state_computes_again(psg: Path, calls: list[Any], name: str, basis: Any) -> None:
    """Whatever the basis says of `get`: `compute` goes by the state alone."""
    assert reasons(psg, basis=basis) == (False, "there was none")
    with eegarchive.edit(psg) as night:
        CHANGES[name](night)
    assert reasons(psg, basis=basis) == (False, "the state is another one")
    assert len(calls) == 2
    with eegarchive.open(psg) as archive:
        assert archive.cache["p1"].get("rms") == rms(archive)
    assert whole(psg)


def test_restructure_and_thaw_leave_what_the_state_then_has(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        archive.cache["p1"].compute("rms", rms)
    with eegarchive.edit(psg) as night:
        night.freeze("A")
        night.mask(drop_epochs="2-3")
        night.restructure()
        assert list(night.cache) == []
    assert reasons(psg) == (False, "there was none")
    with eegarchive.edit(psg) as night:
        night.freeze("B")
        night.thaw("A")
    assert reasons(psg) == (True, "nothing has changed")
    with eegarchive.edit(psg) as night:
        night.thaw("B")
    assert reasons(psg) == (True, "nothing has changed")
    with eegarchive.edit(psg) as night:
        night.thaw("A", preserve_cache=True)
    assert reasons(psg) == (False, "the state is another one")
    with eegarchive.edit(psg) as night:
        night.thaw("B", preserve_cache=True)
    assert reasons(psg) == (True, "nothing has changed")


POWER = "import helpers\nLOW = 8\ndef power(night):\n    return helpers.scaled(LOW)\n"
HELPERS = "def scaled(x):\n    return 2 * x\n"


def test_an_edited_function_is_called_again(psg: Path, make: Callable[..., Any]) -> None:
    power = make(helpers=HELPERS, mine=POWER)
    assert reasons(psg, power) == (False, "there was none")
    assert reasons(psg, make(helpers=HELPERS, mine="# a comment\n\n" + POWER)) == (
        True,
        "nothing has changed",
    )
    for texts in (
        {"helpers": HELPERS, "mine": POWER.replace("LOW = 8", "LOW = 9")},
        {"helpers": HELPERS.replace("2 * x", "3 * x"), "mine": POWER},
        {"helpers": HELPERS, "mine": POWER.replace("(LOW)", "(LOW) + 1")},
    ):
        power = make(**texts)
        assert reasons(psg, power) == (False, "the function has changed")
        with eegarchive.open(psg) as archive:
            assert archive.cache["p1"].get("rms") == power(archive)
            assert len(archive.cache["p1"]) == 1


def test_another_version_of_a_package_calls_again(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reasons(psg) == (False, "there was none")
    real = provenance.version_of
    monkeypatch.setattr(
        "eegarchive.cache.fingerprint.version_of", lambda name: {"numpy": "0.1"}.get(name, real(name))
    )
    assert reasons(psg) == (False, "the versions of numpy have changed")
    assert reasons(psg, packages=["h5py"]) == (False, "the versions of h5py have changed")
    assert reasons(psg, packages=["h5py"]) == (True, "nothing has changed")


def test_a_version_stands_for_the_code(psg: Path, calls: list[Any]) -> None:
    with open(os.devnull) as file:

        def hidden(night: Any) -> int:
            called("hidden")
            return len(file.name)

        with eegarchive.open(psg) as archive, pytest.raises(eegarchive.EEGArchiveError, match="version="):
            archive.cache["p1"].compute("rms", hidden)
        assert calls == []
        assert reasons(psg, hidden, version="1") == (False, "there was none")
        assert reasons(psg, hidden, version="1") == (True, "nothing has changed")
        assert reasons(psg, hidden, version="2") == (False, "the function has changed")
        assert reasons(psg, hidden, version="2", packages=["H5PY"]) == (
            False,
            "the versions of h5py have changed",
        )
    assert len(calls) == 3


def test_force_calls_in_any_case(psg: Path, calls: list[Any]) -> None:
    assert reasons(psg, force=True) == (False, "there was none")
    assert reasons(psg, force=True) == (False, "it was asked for")
    assert len(calls) == 2
    with eegarchive.open(psg) as archive:
        assert len(archive.cache["p1"]) == 1


def test_another_basis_is_kept(psg: Path) -> None:
    assert reasons(psg) == (False, "there was none")
    assert reasons(psg, basis="clock") == (False, "the basis is another one")
    with eegarchive.edit(psg) as night:
        night.add_annotations([1.0], [2.0], ["spindle"])
        assert night.cache["p1"].get("rms") > 0


@pytest.mark.parametrize("how", ["put", "remove", "clear", "other call"])
def test_what_was_replaced_or_removed_in_part_is_computed_again(psg: Path, how: str) -> None:
    def levels(night: Any, n: int = 3) -> eegarchive.Stratified:
        return eegarchive.Stratified(np.arange(n), {"E": np.arange(n)})

    assert reasons(psg, levels) == (False, "there was none")
    with eegarchive.edit(psg) as night:
        cache = night.cache["p1"]
        if how == "put":
            cache.put("rms", 5, E=1)
        elif how == "remove":
            cache.remove("rms", E=1)
        elif how == "clear":
            cache.clear()
        else:
            cache.compute("rms", lambda night, **_: 7, E=1)
    expected = "there was none" if how == "clear" else "parts of it were replaced or removed"
    assert reasons(psg, levels) == (False, expected)
    with eegarchive.open(psg) as archive:
        assert archive.cache["p1"].get("rms", E=1) == 1


def test_values_that_the_new_call_lacks_are_gone(psg: Path) -> None:
    """Three spindles, then, with another function, two: the third isn't one any more."""

    def spindles(night: Any, count: int) -> eegarchive.Stratified:
        return eegarchive.Stratified(np.arange(count) / 2, {"N": np.arange(count)})

    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        for count in (3, 2, 4, 1):
            cache.compute("start", functools.partial(spindles, count=count), basis="clock")
            assert [entry.value for entry in cache.select("start")] == [n / 2 for n in range(count)]
    with eegarchive.edit(psg) as night:
        night.add_annotations([1.0], [2.0], ["spindle"])
        night.cache["p1"].compute("start", functools.partial(spindles, count=3), basis="clock")
        night.add_annotations([5.0], [2.0], ["spindle"])
        night.cache["p1"].compute("start", functools.partial(spindles, count=2), basis="clock")
        assert len(night.cache["p1"].select("start")) == 2
        with pytest.raises(eegarchive.EEGArchiveError, match="given twice"):
            night.cache["p1"].compute(
                "start", lambda night: eegarchive.Stratified([1, 2], {"N": [1, 1]}), basis="clock"
            )
        assert len(night.cache["p1"].select("start")) == 2
    with eegarchive.open(psg) as archive:
        assert len(archive.cache["p1"]) == 3  # one is of the source, which is kept
        assert [entry.value for entry in archive.cache["p1"].select("start")] == [0.0, 0.5]


@pytest.mark.parametrize(
    "parameters",
    [None, {}, {"variable": "rms"}, {"variable": "rms", "strata": [], "packages": {}},
     {"variable": "rms", "strata": {}, "packages": 3}, {"variable": 3, "strata": {}, "packages": {}},
     {"variable": "rms", "strata": {}, "packages": {}, "axes": ["A"], "shape": [-1], "types": ["int"]},
     {"variable": "rms", "strata": {}, "packages": {}, "axes": "A", "shape": [1]},
     {"variable": "rms", "strata": {}, "packages": {}, "axes": ["A"], "shape": [0], "types": ["int"]},
     {"variable": "rms", "strata": {}, "packages": {}, "axes": ["A"], "shape": [10**30], "types": ["int"]}],
    ids=str,
)  # fmt: skip
def test_what_others_call_compute_isnt_taken_for_ours(psg: Path, parameters: Any) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p1"].put("rms", 5.0, operation="compute", parameters=parameters)
    assert not reasons(psg)[0]


# -- values -------------------------------------------------------------------------------------------

VALUES = '''
import numpy as np
import pandas as pd

MASKED = np.ma.MaskedArray([1.5, 2.5], [False, True])
VALUES = [
    1.5, 3, "a", "", "é🧠", True, False, None, float("nan"), float("inf"), -0.0, 5e-324, 2**63 - 1, -(2**63),
    np.float32(0.1), np.float64(0.1), np.int8(3), np.uint64(3), np.bool_(True), np.str_("x"), pd.NA,
    np.array(2.5), np.array("x"), np.array(3, np.int16), np.ma.masked,
    [1.5, 2], [1, 2, 3], ["a", "b"], [True], [], (), (1, 2), [1.5, None], [None], ["a", None],
    np.arange(3), np.arange(3.0), np.arange(3, dtype=np.float32) / 3, np.array(["a", "bb"]), np.array([], int),
    np.array([], bool), np.array([True, False]), np.array(["a", None], object), np.array([np.nan, -0.0]),
    MASKED, MASKED.astype(int), np.ma.MaskedArray([True, False], [True, True]), range(3), pd.Index([1, 2]),
    pd.array([1, None], dtype="Int64"), pd.Categorical(["a", "b"]), np.arange(10)[::-3],
]
def value(night, i):
    return VALUES[i]

def shown(found):
    """Type, dtype, shape and content."""
    if isinstance(found, np.ndarray):
        mask = np.ma.getmaskarray(found).tolist()
        plain = [None if gone else repr(x) for x, gone in zip(np.ma.getdata(found).tolist(), mask)]
        return repr((type(found).__name__, found.dtype.str, found.shape, plain))
    return repr((type(found).__name__, found))
'''
PYTHONS_OWN = {"float", "int", "str", "bool", "NoneType", "ndarray", "MaskedArray"}


def test_every_value_is_the_same_at_once_later_and_in_another_process(
    psg: Path, make: Callable[..., Any]
) -> None:
    make(typed=VALUES + "\npower = value\n")
    typed = sys.modules["typed"]
    count = len(typed.VALUES)
    with eegarchive.open(psg) as archive:
        first = [archive.cache["p1"].compute("x", typed.value, version="1", i=i) for i in range(count)]
        again = [archive.cache["p1"].compute("x", typed.value, version="1", i=i) for i in range(count)]
    code = """
import json, sys, eegarchive, typed
with eegarchive.open(sys.argv[1]) as archive:
    found = [archive.cache["p1"].compute("x", typed.value, version="1", i=i) for i in range(len(typed.VALUES))]
print(json.dumps([[one.reused, typed.shown(one.value)] for one in found]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(psg)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{psg.parent}:{Path(eegarchive.__file__).parents[1]}"},
    )  # fmt: skip
    elsewhere = json.loads(done.stdout)
    for i, (one, two, three) in enumerate(zip(first, again, elsewhere, strict=True)):
        assert (one.reused, two.reused, three[0]) == (False, True, True), typed.VALUES[i]
        assert typed.shown(one.value) == typed.shown(two.value) == three[1], typed.VALUES[i]
        assert type(one.value).__name__ in PYTHONS_OWN
        given = typed.VALUES[i]
        if not isinstance(given, pd.api.extensions.ExtensionArray) and given is not pd.NA:
            expected = (
                given.tolist()
                if hasattr(given, "tolist")
                else list(given)
                if isinstance(given, tuple | range)
                else given
            )
            own = one.value.tolist() if hasattr(one.value, "tolist") else one.value
            if isinstance(own, list):
                assert list(map(repr, own)) == [
                    repr(float(x) if isinstance(own[0], float) and x is not None else x) for x in expected
                ]
            else:
                assert repr(own) == repr(expected)
    assert whole(psg)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros((2, 3)),
            "v: the function gave a ndarray of 2 dimensions; give a scalar, a vector, or eegarchive.Strat",
        ),
        ([[1, 2], [3, 4]], "v: the function gave a list of 2 dimensions"),
        ([[1, 2], [3]], "v: the function gave a list of 2 dimensions"),
        (pd.DataFrame({"a": [1]}), "v: the function gave a DataFrame of 2 dimensions"),
        ({"a": 1}, "v: the function gave a dict; give"),
        ({1, 2}, "v: a set is neither"),
        (b"abc", "v: b'abc' (bytes): expected numbers, integers, texts or booleans"),
        (1j, "v: 1j (complex)"),
        (object, "v: <class 'object'> (type)"),
        (iter([1]), "(list_iterator)"),
        ([1, "a"], "v: 1 (int) and 'a' (str)"),
        ([True, 1], "v: True (bool) and 1 (int)"),
        (2**63, "v: 9223372036854775808 is beyond a 64-bit signed integer"),
        ([2**60, 0.5], "v: 1152921504606846976, among floats, is beyond what a float holds exactly"),
        (np.array([1], np.complex128), "v: complex128 is none of"),
        (np.datetime64("2020-01-01"), "(date"),
        ("a\0b", "v"),
        ("a\ud800b", "v"),
    ],
    ids=lambda value: (
        value[:30].encode("ascii", "replace").decode() if isinstance(value, str) else type(value).__name__
    ),
)
def test_what_a_cache_cant_hold_is_refused_and_nothing_stored(psg: Path, given: Any, message: str) -> None:
    before = files(psg)
    with eegarchive.open(psg) as archive:
        with pytest.raises(eegarchive.EEGArchiveError) as error:
            archive.cache["p1"].compute("v", lambda night: given, version="1")
        assert f"{psg}: cache 'p1': " in str(error.value)
        assert message in str(error.value)
        assert len(str(error.value).splitlines()) == 1
        assert str(error.value).count(str(psg)) == 1
    assert files(psg) == before
    with eegarchive.edit(psg) as night, pytest.raises(eegarchive.EEGArchiveError):
        night.cache["p1"].compute("v", lambda night: given, version="1")
    assert files(psg) == before


# -- as a decorator -----------------------------------------------------------------------------------


def test_a_function_may_use_a_decorated_one(psg: Path, calls: list[Any]) -> None:
    def inner(scale: float) -> Any:
        def spread(night: Any, channel: str = FPZ) -> float:
            called("inner")
            return scale * float(night.signals[channel][:].std())

        return spread

    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]

        def twice(scale: float) -> Any:
            measured = cache.compute("spread")(inner(scale))
            return cache.compute("twice", lambda night: 2 * measured())

        assert not twice(1.0).reused
        assert twice(1.0).reused
        changed = twice(3.0)
        assert (changed.reused, changed.reason) == (False, "the function has changed")
        assert calls == ["inner", "inner"]


def test_it_decorates(psg: Path, calls: list[Any]) -> None:
    with eegarchive.open(psg) as archive:

        @archive.cache["p1"].compute("rms", channel=FPZ)
        def measured(night: Any, channel: str, scale: float = 1.0) -> float:
            """Root mean square."""
            called(scale)
            return scale * float(night.signals[channel][0])

        assert (measured.__name__, measured.__doc__) == ("measured", "Root mean square.")
        assert measured.last is None
        assert measured() == measured()
        assert (measured.last.reused, measured.last.reason) == (True, "nothing has changed")
        assert measured(scale=2.0) == 2 * measured()
        assert measured(channel="EEG Pz-Oz") == archive.signals["EEG Pz-Oz"][0]
        assert not measured.last.reused
        assert len(calls) == 3
        assert archive.cache["p1"].get("rms", channel=FPZ, scale=2.0) == measured(scale=2.0)

        @archive.cache["p1"].compute("rms", force=True, version="1", basis="clock")
        def forced(night: Any) -> int:
            called("forced")
            return 1

        assert (forced(), forced(), forced.last.reason) == (1, 1, "it was asked for")
        assert calls.count("forced") == 2
        assert archive.cache["p1"].entry("rms").origin.basis == "clock"


def test_one_may_compute_inside_another(psg: Path) -> None:
    def inner(night: Any) -> int:
        return 20

    def outer(night: Any) -> int:
        return 1 + night.cache["p1"].compute("inner", inner).value

    with eegarchive.open(psg) as archive:
        assert archive.cache["p1"].compute("outer", outer, version="1").value == 21
        assert archive.cache["p1"].compute("outer", outer, version="1").reused
        assert archive.cache["p1"].get("inner") == 20
    with eegarchive.edit(psg) as night:
        assert night.cache["p2"].compute("outer", outer, version="1").value == 21
    assert whole(psg)


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_function_that_fails_leaves_nothing_behind(psg: Path, error: type[BaseException]) -> None:
    def fails(night: Any) -> None:
        night.signals[FPZ][:10]
        raise error

    before = files(psg)
    with eegarchive.open(psg) as archive:
        with pytest.raises(error):
            archive.cache["p1"].compute("v", fails, version="1")
        assert files(psg) == before
        assert archive.cache["p1"].compute("v", rms).stored
    with eegarchive.edit(psg) as night:
        with pytest.raises(error):
            night.cache["p2"].compute("v", fails, version="1")
        assert list(night.cache) == ["p1"]
    assert whole(psg)


def test_an_edit_that_raises_later_keeps_nothing(psg: Path) -> None:
    before = files(psg)
    with pytest.raises(ZeroDivisionError), eegarchive.edit(psg) as night:
        night.cache["p1"].compute("v", rms)
        raise ZeroDivisionError
    assert files(psg) == before


def test_a_function_that_changes_the_state_is_refused(psg: Path) -> None:
    changed = (
        r"psg.h5: cache 'p1': v: the archive has changed while it was computed; nothing was stored, try again"
    )

    def edits(night: Any) -> int:
        with eegarchive.edit(night.path) as other:
            other.add_annotations([1.0], [2.0], ["spindle"])
        return 1

    with eegarchive.open(psg) as archive:
        with pytest.raises(eegarchive.EEGArchiveError, match=changed):
            archive.cache["p1"].compute("v", edits)
        assert list(archive.cache) == []

    def works(night: Any) -> int:
        night.add_annotations([2.0], [2.0], ["spindle"])
        return 1

    with eegarchive.edit(psg) as night:
        with pytest.raises(eegarchive.EEGArchiveError, match=changed):
            night.cache["p1"].compute("v", works)
        assert list(night.cache) == []


def test_a_change_between_the_computing_and_the_storing_is_noticed(
    psg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eegarchive.cache import computing

    real = computing.begin

    def late(path: Path, timeout: float) -> Any:
        monkeypatch.setattr(computing, "begin", real)
        with eegarchive.edit(path) as other:
            other.add_annotations([1.0], [2.0], ["spindle"])
        return real(path, timeout)

    monkeypatch.setattr(computing, "begin", late)
    with eegarchive.open(psg) as archive:
        with pytest.raises(eegarchive.EEGArchiveError, match="has changed while it was computed"):
            archive.cache["p1"].compute("v", rms)
        assert list(archive.cache) == []


def test_where_nothing_can_be_stored_the_value_comes_with_a_warning(
    psg: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Any]
) -> None:
    from eegarchive.storage import disk

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with eegarchive.open(psg) as archive:
        archive.cache["p1"].compute("there", rms)
        before = files(psg)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "create", full)
            with pytest.warns(
                eegarchive.OddInput, match="rms was computed, but couldn't be stored: .*No space"
            ) as told:
                found = archive.cache["p1"].compute("rms", rms)
            assert [one.filename for one in told] == [__file__]
            decorated = archive.cache["p1"].compute("rms")(rms)
            with pytest.warns(eegarchive.OddInput) as told:
                assert decorated() == found.value
            assert [one.filename for one in told] == [__file__]
            assert archive.cache["p1"].compute("there", rms).reused
        assert (found.reused, found.stored, found.value) == (False, False, rms(archive))
        assert {name: raw for name, (_, raw) in files(psg).items()} == {"psg.h5": before["psg.h5"][1]}
        assert archive.cache["p1"].compute("rms", rms).stored


def test_while_someone_else_edits_the_value_comes_with_a_warning(psg: Path) -> None:
    with eegarchive.open(psg) as archive, eegarchive.edit(psg):
        with pytest.warns(
            eegarchive.OddInput, match=f"rms was computed.*{psg.name}: is being edited by process"
        ):
            found = archive.cache["p1"].compute("rms", rms, timeout=0.05)
        assert not found.stored


def test_a_hit_writes_nothing_and_takes_no_lock(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eegarchive.cache import computing
    from eegarchive.storage import locks

    edits = []
    real = computing.begin
    monkeypatch.setattr(computing, "begin", lambda *given: (edits.append(given), real(*given))[1])
    with eegarchive.open(psg) as archive:
        archive.cache["p1"].compute("rms", rms)
        assert len(edits) == 1
        before = files(psg)
        monkeypatch.setattr(locks, "only_writer", None)
        assert archive.cache["p1"].compute("rms", rms).reused
    with eegarchive.open(psg) as archive:
        assert archive.cache["p1"].compute("rms", rms).reused
    assert files(psg) == before
    assert len(edits) == 1


# -- freezes ------------------------------------------------------------------------------------------


def test_each_freeze_has_its_own_value_of_one_key(psg: Path, calls: list[Any]) -> None:
    with eegarchive.edit(psg) as night:
        for tag, gone in (("N2", "2-5"), ("N3", "6-9")):
            night.mask(drop_epochs=gone)
            night.restructure()
            night.freeze(tag, note=tag)
            night.thaw("source")
    with eegarchive.open(psg) as archive:
        before = archive.freezes.attributes()
        found = {
            "": archive.cache["p1"].compute("rms", rms, channel=FPZ),
            "N2": archive.freezes["N2"].cache["p1"].compute("rms", rms, channel=FPZ),
        }
    with eegarchive.open(f"{psg}@N3") as archive:
        found["N3"] = archive.cache["p1"].compute("rms", rms, channel=FPZ)
    assert len(calls) == len({one.value for one in found.values()}) == 3
    assert not any(one.reused for one in found.values())
    for tag, one in found.items():
        with eegarchive.open(f"{psg}@{tag}" if tag else psg) as archive:
            again = archive.cache["p1"].compute("rms", rms, channel=FPZ)
            assert (again.reused, again.value) == (True, one.value)
            assert archive.cache["p1"].get("rms", channel=FPZ) == one.value
            assert one.value == rms(archive)
            assert archive.freezes.attributes() == before
            assert list(archive.cache) == ["p1"]
            origin = archive.cache["p1"].entry("rms", channel=FPZ).origin
            assert (origin.state, origin.freeze) == (archive.digest, tag or "source")
    with eegarchive.edit(psg) as night:
        assert night.freezes["N2"].cache["p1"].compute("rms", rms, channel=FPZ).reused
        assert not night.freezes["N2"].cache["p1"].compute("other", rms).reused
        assert night.freezes["N2"].cache["p1"].compute("other", rms).reused
    with eegarchive.open(f"{psg}@N2") as archive:
        assert archive.cache["p1"].compute("other", rms).reused
        assert archive.freezes.attributes() == before
    assert len(calls) == 7
    assert whole(psg)


def test_a_freeze_that_has_the_value_in_its_own_cache_gives_it(psg: Path, calls: list[Any]) -> None:
    with eegarchive.edit(psg) as night:
        night.cache["p1"].compute("rms", rms)
        night.freeze("A")
        night.add_annotations([1.0], [2.0], ["spindle"])
        night.cache.clear()
    with eegarchive.open(f"{psg}@A") as archive:
        assert archive.cache["p1"].compute("rms", rms).reused
        forced = archive.cache["p1"].compute("rms", rms, force=True)
        assert (forced.reason, forced.stored) == ("it was asked for", True)
        assert archive.cache["p1"].compute("rms", rms).reused
        assert len(archive.cache["p1"]) == 1
    assert len(calls) == 2


# -- what is written down -----------------------------------------------------------------------------


def test_an_entry_tells_what_it_was_computed_from(psg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "now", lambda: "2026-05-01T12:00:00Z")
    with eegarchive.edit(psg) as night:
        night.add_annotations([1.0], [2.0], ["spindle"])
    with eegarchive.open(psg) as archive:
        cache = archive.cache["p1"]
        cache.compute("rms", rms, channel=FPZ, packages=["h5py"])
        entry = cache.entry("rms", channel=FPZ)
        assert entry.stale is None
        assert (entry.type, entry.strata) == ("num", {"channel": FPZ})
        origin = entry.origin
        assert origin.function == f"{__name__}:rms"
        assert len(origin.code) == 64
        assert (origin.state, origin.freeze, origin.basis) == (archive.digest, "", "state")
        assert (origin.operation, origin.time) == ("compute", "2026-05-01T12:00:00Z")
        stated = json.loads(origin.parameters)
        assert (stated["variable"], stated["strata"]) == ("rms", {"channel": FPZ})
        assert {"numpy", "h5py"} <= stated["packages"].keys()
        versions = json.loads(origin.versions)
        assert versions["eegarchive"] == eegarchive.__version__
        assert versions["numpy"] == stated["packages"]["numpy"] == np.__version__
        with eegarchive.edit(psg) as night:
            night.freeze("N2")
        monkeypatch.setattr(provenance, "now", lambda: "2026-05-01T13:00:00Z")
        cache.compute("rms", rms, channel=FPZ, force=True)
        origin = cache.entry("rms", channel=FPZ).origin
        assert (origin.freeze, origin.time) == ("N2", "2026-05-01T13:00:00Z")
        monkeypatch.setattr(provenance, "now", lambda: "2026-05-01T14:00:00Z")
        cache.compute("rms", rms, channel=FPZ, force=True)
        assert cache.entry("rms", channel=FPZ).origin.time == "2026-05-01T14:00:00Z"


def test_a_basis_tells_for_how_long_get_gives_it(psg: Path) -> None:
    with eegarchive.open(psg) as archive:
        for basis in ("state", "clock"):
            archive.cache[basis].compute("rms", rms, {"channel": FPZ}, basis=basis)
        with eegarchive.edit(psg) as night:
            night.add_annotations([1.0], [2.0], ["spindle"])
        assert archive.cache["clock"].get("rms", channel=FPZ) > 0
        with pytest.raises(eegarchive.StaleValue, match="it was computed on another state"):
            archive.cache["state"].get("rms", channel=FPZ)


def test_many_small_edits_dont_fill_the_file(psg: Path) -> None:
    def number(night: Any, i: int) -> float:
        return i / 3

    with eegarchive.open(psg) as archive:
        for i in range(150):
            archive.cache["p1"].compute("x", number, i=i)
    size = psg.stat().st_size
    eegarchive.compact(psg)
    assert size < 2 * psg.stat().st_size
    with eegarchive.open(psg) as archive:
        assert all(archive.cache["p1"].compute("x", number, i=i).reused for i in range(150))
    assert whole(psg)
