"""Histories run again from the recording."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eegarchive
from eegarchive import lineage, processing, provenance
from eegarchive.cli import main
from eegarchive.errors import EEGArchiveError, InvalidArchive
from eegarchive.layout import HISTORY_COLUMNS
from eegarchive.replaying import ReplayReport, StepReport, comparing, replay
from eegarchive.replaying.steps import STEPS
from eegarchive.storage import objects

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
EDF = DATA / "edf_sleep_psg_30s_records.edf"
FPZ, PZ, EOG, MARKER = "EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "Event marker"
#: Operations that no line of history can have: they go from one line to another.
_BETWEEN_LINES = {"thaw", "remove-freeze", "attach"}


def outcomes(report: ReplayReport) -> dict[str, str]:
    return {step.operation: step.outcome for step in report.steps}


def step(report: ReplayReport, operation: str) -> StepReport:
    return next(step for step in report.steps if step.operation == operation)


def restate(path: Path, row: int, change: Callable[[dict[str, Any]], object], **columns: str) -> None:
    """Change the parameters of a row of history, counted from 0, and other columns."""
    with h5py.File(path, "r+") as file:
        rows = objects.read_table(file["history"], HISTORY_COLUMNS)
        values = {c.name: [*objects.text_column(rows, c.name, "history")] for c in HISTORY_COLUMNS}
        parameters = json.loads(values["parameters"][row])
        change(parameters)
        for name, value in {**columns, "parameters": json.dumps(parameters)}.items():
            values[name][row] = value
        del file["history"]
        objects.link(objects.write_table(file, objects.make_rows(HISTORY_COLUMNS, values)), file, "history")


# -- every operation --------------------------------------------------------------------------------


def test_every_operation_that_is_recorded_can_be_replayed() -> None:
    """Whoever adds an operation has to say how it is done again, in `replaying.steps.STEPS`."""
    page = (ROOT / "spec" / "operations.md").read_text()
    table = page.partition("| operation | parameters |")[2].partition("\n\n")[0]
    listed = {
        name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z-]+)`", line.split("|")[1])
    }
    recorded = set()
    for path in (ROOT / "eegarchive").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("_record", "_note"):
                first = node.args[0]
                recorded |= {first.value} if isinstance(first, ast.Constant) else set()
    assert len(recorded) > 15
    assert recorded | listed | set(lineage._WORDS) <= set(STEPS) | _BETWEEN_LINES | {"convert"}


@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_all_operations_in_a_row_are_the_same(psg: Path, tmp_path: Path) -> None:
    (tmp_path / "hyp.csv").write_text(
        "onset,duration,text\n" + "".join(f"{30 * i},30,N{i % 3}\n" for i in range(10))
    )
    with eegarchive.edit(psg) as night:
        night.describe(age=34)
        night.drop_description("age")
        night.set_epochs(20, step=10, offset=5)
        night.set_epochs(30)
        night.add_annotations([30.0, 40.0], [30.0, float("nan")], ["Arousal", "Spike@@C3"])
        night.import_annotations(tmp_path / "hyp.csv")
        night.freeze("scored", note="by two")
        night.mask("N2", annotation_set="hyp", whole_epoch=True)
        night.mask(clear=True, drop="Arousal", keep_epochs="1-9", drop_epochs=[3, 5])
        night.mask(keep_epochs=[], clear=True)
        night.mask(flip=True)
        night.mask(keep_times=(0, 290.5), drop_times=(180, 200))
        night.mask(random=4, seed=7)
        night.restructure()
        night.restructure(whole_records=True)
        night.drop_signals(["Temp rectal"])
        night.copy_signal(FPZ, "C3/A2")
        night.rename_signal(MARKER, "marker")
        night.set_signal("marker", kind="other", units="V", number=3, factor=0.5)
        night.write_samples(PZ, 5, [0.01], rounded=True)
        night.signals[PZ].digital[100:103] = [1, 2, 3]
        night.add_signal("sum", np.arange(round(night.duration * 10), dtype="<i2"), 10, units="mV", own="x")
        night.filter(0.3, 35, [FPZ])
        night.filter(high=30, channels=[EOG])
        night.filter(low=1, channels=["C3/A2"])
        with night.script("FILTER", "p.txt"):
            night.filter(2, 30, [PZ], transition=1.0, ripple=0.02)
        night.resample(50, [FPZ])
        night.prepare_windows("w", 30, picks=[FPZ])
        night.remove_windows("w")
        night.drop_annotations("Arousal")
        night.rename_annotations(annotation_set="hyp", new_set="x")
        night.rename_annotations("N1", "x", text="Wake up")
        night.freeze("done")
        night.keep_signals([FPZ, PZ, EOG, "marker", "sum"])
    before = psg.read_bytes()
    report = eegarchive.replay(psg)
    assert [(s.text, s.why) for s in report.steps if s.outcome != "same"] == []
    assert (report.verdict, report.ok, report.first_difference, report.difference) == (
        "same",
        True,
        None,
        None,
    )
    assert report.replayed_digest == report.digest
    assert [s.operation for s in report.taken] == [
        "add-annotations", "import-annotations", "write-samples", "write-samples", "add-signal",
    ]  # fmt: skip
    assert report.steps[0].taken == ""
    assert "set 'hyp' of the freeze 'scored'" in step(report, "import-annotations").taken
    assert psg.read_bytes() == before
    assert {s.operation for s in report.steps} == {*STEPS, "convert"} - {"add-raw", "apply", "anonymize"}


@pytest.mark.parametrize("name", ["edfplusd_oximetry_gaps.edf", "bdfplusc_mixed_rates_2s_records.bdf"])
@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_recordings_of_other_kinds_and_from_the_file_itself(
    archives: dict[str, Path], tmp_path: Path, name: str
) -> None:
    path = Path(shutil.copy(archives[Path(name).stem], tmp_path / "a.h5"))
    with eegarchive.edit(path) as night:
        night.set_epochs(16 if "gaps" in name else 10)
        night.mask(drop_epochs="2")
        night.restructure()
        night.freeze("left")
        night.thaw("source")
    for source in (None, DATA / name):
        seen: list[int] = []
        report = replay(f"{path}@left", source=source, progress=seen.append)
        assert (report.verdict, report.tag, report.source) == ("same", "left", source)
        assert seen == [1] * len(lineage.history(path, "left")) == [1] * 5
    assert len(replay(path).steps) == 1


# -- what differs -----------------------------------------------------------------------------------


@pytest.fixture
def filtered(psg: Path) -> Path:
    """A filter, a freeze behind it, and something else."""
    with eegarchive.edit(psg) as night:
        night.filter(1, 30, [FPZ])
        night.freeze("clean")
        night.set_epochs(30)
    return psg


@pytest.fixture
def round_otherwise(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when this is called on, a filter gives something else from sample 1234 on, as another version may."""
    real = processing.filtered

    def wrong(*arguments: Any) -> Iterator[np.ndarray]:
        for block in real(*arguments):
            block[1234:] += np.float32(2**-10)
            yield block

    def begin() -> None:
        monkeypatch.setattr(processing, "filtered", wrong)
        monkeypatch.setattr(provenance, "versions_now", lambda: {**provenance.versions(), "numpy": "9.9"})

    return begin


def test_the_first_step_that_differs_is_told_with_channel_sample_and_size(
    filtered: Path, round_otherwise: Callable[[], None]
) -> None:
    round_otherwise()
    report = replay(filtered)
    assert [s.outcome for s in report.steps] == ["same", "differs", "differs", "differs"]
    assert (report.verdict, report.ok) == ("differs", False)
    first = report.first_difference
    assert first is not None
    assert first.operation == "filter"
    assert first.difference is not None
    assert first.difference.state == "the freeze 'clean'"
    assert first.difference.values == []
    (samples,) = first.difference.samples
    assert (samples.signal, samples.first, samples.total, samples.units) == (FPZ, 1234, 30000, "uV")
    assert 28000 < samples.count <= 30000 - 1234
    assert samples.largest == pytest.approx(2**-10, rel=0.01)
    assert first.versions["numpy"] == (np.__version__, "9.9")
    assert report.difference is not None
    assert report.difference.state == "the working state"


def test_computed_samples_within_the_tolerance_are_the_same(
    filtered: Path, round_otherwise: Callable[[], None]
) -> None:
    round_otherwise()
    report = replay(filtered, tolerance=2**-9)
    assert [s.outcome for s in report.steps] == ["same", "close", "close", "close"]
    assert (report.verdict, report.ok) == ("close", True)
    assert report.replayed_digest != report.digest
    assert replay(filtered, tolerance=2**-11).verdict == "differs"


def test_without_a_kept_state_a_step_is_not_compared_but_the_end_is(
    psg: Path, round_otherwise: Callable[[], None]
) -> None:
    with eegarchive.edit(psg) as night:
        night.filter(1, 30, [FPZ])
        night.drop_signals([PZ])
    round_otherwise()
    report = replay(psg, tolerance=1)
    assert [s.outcome for s in report.steps] == ["same", "not compared", "close"]
    assert report.verdict == "close"
    with eegarchive.edit(psg) as night:
        night.drop_signals([FPZ])
    report = replay(psg)
    assert [s.outcome for s in report.steps] == ["same", "not compared", "not compared", "same"]
    assert report.verdict == "same"


def test_no_tolerance_is_for_anything_but_computed_samples(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.freeze("a")
    restate(psg, 1, lambda p: p.update(length=60.0, step=60.0))
    report = replay(psg, tolerance=1e9)
    assert report.verdict == "differs"
    assert report.steps[1].difference is not None
    told = [str(value) for value in report.steps[1].difference.values]
    assert told == [
        "epochs: row 1, duration: 30.0 in the archive, 60.0 now",
        "epochs: rows: 10 in the archive, 5 now",
    ]


def test_stored_samples_that_were_digital_have_no_tolerance(psg: Path, tmp_path: Path) -> None:
    raw = bytearray(EDF.read_bytes())
    raw[-1] ^= 1
    (tmp_path / "other.edf").write_bytes(raw)
    report = replay(psg, source=tmp_path / "other.edf", tolerance=1e9)
    (only,) = report.steps
    assert (report.verdict, only.outcome) == ("differs", "differs")
    assert "other.edf is another file: SHA-256" in only.why
    assert only.difference is not None
    (samples,) = only.difference.samples
    assert (samples.signal, samples.first, samples.count) == (MARKER, 299, 1)


def test_all_that_can_differ_between_states_is_found(archives: dict[str, Path], tmp_path: Path) -> None:
    first, second = (
        Path(shutil.copy(archives["edf_sleep_psg_30s_records"], tmp_path / f"{name}.h5")) for name in "ab"
    )
    for path, shift in ((first, 0), (second, 1)):
        with eegarchive.edit(path) as night:
            night.drop_signals([EOG if shift else MARKER])
            night.set_signal(PZ, kind="eeg" if shift else "other")
            night.add_annotations([1.0, 2.0], [float("nan")] * 2, ["a", "b" if shift else "c"])
            night.add_signal("nan", np.full(300, np.nan if shift else 1.0), 1)
            night.add_signal("both", np.full(300, np.nan), 1)
            night.set_epochs(30)
            night.mask(drop_epochs=[4 + shift])
    with eegarchive.open(first) as a, eegarchive.open(second) as b:
        found = comparing.compare(a, b, "x")
        assert comparing.compare(a, a, "x").largest == 0
    assert sorted(map(str, found.values)) == [
        "annotations: row 2, text: 'c' in the archive, 'b' now",
        "epochs: row 4, masked: True in the archive, False now",
        "signal EEG Pz-Oz: kind: 'other' in the archive, 'eeg' now",
        "signal EOG horizontal: 'there' in the archive, None now",
        "signal Event marker: None in the archive, 'there' now",
    ]
    (samples,) = found.samples
    assert str(samples) == "nan: 300 of 300 samples differ by inf at most; the first is sample 0"
    assert found.largest == float("inf")


# -- what can't be done again -----------------------------------------------------------------------


def test_annotations_that_nothing_has_kept_are_said_to_be_missing(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.add_annotations([1.0, 2.0], [0.0, 0.0], ["a", "b"], annotation_set="me")
        night.drop_annotations("a")
        night.set_epochs(30)
    report = replay(psg)
    assert outcomes(report)["add-annotations"] == "not replayed"
    assert step(report, "add-annotations").why == (
        "the 2 annotations of the set 'me' are neither in the history nor, as they were, in a freeze"
    )
    assert outcomes(report)["drop-annotations"] == "not replayed"
    assert (report.verdict, report.ok) == ("not replayable", False)


def test_annotations_of_one_set_that_came_one_after_the_other(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        for count, text in enumerate(["b", "a", "b", "c"]):
            night.add_annotations([30.0, 10.0 * count], [float("nan"), 1.0], [text, "same"])
        night.add_annotations(np.arange(100.0), np.ones(100), ["many"] * 100, annotation_set="many")
    report = replay(psg)
    assert [s.why for s in report.steps if s.outcome != "same"] == []
    assert "onsets" not in lineage.history(psg)[-1].parameters


def test_samples_that_are_not_in_the_file_any_more(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.write_samples(FPZ, 0, [5.0] * 10, rounded=True)
        night.signals[FPZ].digital[0:10] = 0
    eegarchive.compact(psg)
    report = replay(psg)
    assert [s.outcome for s in report.steps] == ["same", "not replayed", "same"]
    assert "aren't in the file" in report.steps[1].why
    assert report.verdict == "not replayable"  # one step could not be followed, though the end is the same


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda p: p.update(length="x"), "can't be understood (ValueError"),
        (lambda p: p.update(length=-1.0), "epoch"),
        (lambda p: p.update(more=1), "can't be understood (TypeError"),
        (lambda p: p.clear(), None),
    ],
)
def test_parameters_of_nobody(psg: Path, change: Callable[[dict[str, Any]], object], why: str | None) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
    restate(psg, 1, change)
    report = replay(psg)
    if why is None:
        assert report.verdict == "same"  # 30 s is what is set if nothing is said
    else:
        assert report.verdict == "not replayable"
        assert why in report.steps[1].why
        assert "\n" not in report.steps[1].why


def test_operations_of_other_writers(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
    restate(psg, 1, lambda p: None, operation="denoise")
    assert replay(psg).steps[1].why == "this version knows no operation 'denoise'"


@pytest.mark.parametrize(
    ("path", "attribute", "message"),
    [
        (f"signals/{FPZ}", "scale_factor", "/: isn't what its digest says"),
        (f"signals/{FPZ}", "", "samples aren't what"),
    ],
)
def test_a_state_that_is_not_what_its_digest_says_proves_nothing(
    psg: Path, path: str, attribute: str, message: str
) -> None:
    with h5py.File(psg, "r+") as file:
        if attribute:
            file[path].attrs[attribute] = 0.5
        else:
            file[path][100] = 5
    with pytest.raises(InvalidArchive, match=message):
        replay(psg, source=EDF)


def test_what_is_refused(psg: Path, tmp_path: Path) -> None:
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(EEGArchiveError, match="a tolerance of"):
            replay(psg, tolerance=tolerance)
    with pytest.raises(eegarchive.NotInArchive, match="no freeze 'x'"):
        replay(f"{psg}@x")
    (tmp_path / "no.edf").write_bytes(b"x")
    with pytest.raises(eegarchive.EDFError):
        replay(psg, source=tmp_path / "no.edf")


# -- functions of the user's ------------------------------------------------------------------------

MODULE = """
    from pathlib import Path

    Path(__file__).with_name("was imported").touch()

    def double(samples, sampling_rate, by=2.0):
        return helper(samples) * by

    def helper(samples):
        return samples
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user's that leaves a mark when it is imported."""
    path = tmp_path / "users_own.py"
    path.write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield path
    sys.modules.pop("users_own", None)


@pytest.fixture
def applied(psg: Path, module: Path) -> Path:
    import users_own  # type: ignore[import-not-found]

    with eegarchive.edit(psg) as night:
        night.apply(users_own.double, [FPZ, PZ], by=3.0)
        night.set_epochs(30)
        night.freeze("doubled")
    del sys.modules["users_own"]
    module.with_name("was imported").unlink()
    return psg


@pytest.mark.clause("O-11")
def test_user_code_is_not_even_imported_unless_asked_for(applied: Path, module: Path) -> None:
    report = replay(f"{applied}@doubled")
    lineage.history(applied)
    assert not module.with_name("was imported").exists()
    assert outcomes(report)["apply"] == "not run"
    assert "users_own:double wasn't run; --run-code" in step(report, "apply").why
    assert step(report, "apply").taken == "the samples that it gave"
    assert outcomes(report)["epochs"] == "same"  # the rest follows
    assert (report.verdict, report.ok) == ("not replayable", False)
    assert report.replayed_digest == report.digest


def test_user_code_runs_again_if_asked_for(applied: Path, module: Path) -> None:
    report = replay(applied, run_code=True)
    assert module.with_name("was imported").exists()
    assert report.verdict == "same"
    assert step(report, "apply").taken == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("return helper(samples) * by", "return helper(samples) * by * 2", "its code has changed"),
        ("return samples", "return samples + 1", "its code has changed"),
        ("def double", "def triple", "isn't importable here (AttributeError"),
        ("from pathlib import Path", "raise ValueError('no')", "isn't importable here (ValueError: no)"),
    ],
)
def test_user_code_that_is_another_now(applied: Path, module: Path, old: str, new: str, why: str) -> None:
    text = module.read_text()
    module.write_text(text.replace(old, new))
    import linecache

    linecache.clearcache()
    report = replay(applied, run_code=True)
    assert outcomes(report)["apply"] == "not run"
    assert why in step(report, "apply").why
    assert report.verdict == "not replayable"


def test_user_code_without_a_home_and_code_that_raises(psg: Path) -> None:
    with eegarchive.edit(psg) as night:
        night.apply(lambda samples, rate: samples + 1, [FPZ])
    report = replay(psg, run_code=True)
    assert "<lambda> isn't importable" in step(report, "apply").why
    assert report.replayed_digest == report.digest


def test_user_code_that_raises(applied: Path, module: Path) -> None:
    restate(applied, 1, lambda p: p.update(parameters={"by": "x"}))
    report = replay(applied, run_code=True)
    assert outcomes(report)["apply"] == "not replayed"
    assert "users_own:double raised" in step(report, "apply").why


# -- what MNE made ----------------------------------------------------------------------------------


@pytest.mark.clause("O-9")
@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_what_mne_made_is_put_together_again_from_the_samples_that_were_stored(psg: Path) -> None:
    mne = pytest.importorskip("mne")
    with eegarchive.edit(psg) as night:
        raw = night.to_raw(preload=True)
        raw.filter(1, 30, picks=[0], verbose="error")
        raw.rename_channels({raw.ch_names[1]: "C3/M2"})
        raw.info["bads"] = ["C3/M2"]
        raw.set_channel_types({raw.ch_names[2]: "eog"}, verbose="error")
        raw.drop_channels(raw.ch_names[3:])
        new = mne.io.RawArray(
            raw.get_data([0]) * 2, mne.create_info(["new"], raw.info["sfreq"], "eeg"), verbose="error"
        )
        raw.add_channels([new], force_update_info=True)
        raw.crop(30, 240, include_tmax=False)
        raw.annotations.append(40.0, 2.0, "blink")
        report = night.add_raw(raw)
        assert report.changed
        assert report.renamed
        assert report.added
        assert report.cropped
        night.set_epochs(30)
    found = replay(psg)
    assert [(s.text, s.outcome, s.why) for s in found.steps if s.outcome != "same"] == []
    assert (
        step(found, "add-raw").taken
        == "the samples that MNE changed and the annotations of the working state"
    )
    assert found.verdict == "same"


# -- from and to other files ------------------------------------------------------------------------


def test_a_detached_and_an_attached_freeze_have_their_histories_with_them(psg: Path, tmp_path: Path) -> None:
    fresh = Path(shutil.copy(psg, tmp_path / "fresh.h5"))
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.mask(drop_epochs="1-3")
        night.restructure()
        night.filter(1, 30, [FPZ])
        night.freeze("N2")
    small = tmp_path / "small.h5"
    eegarchive.detach(f"{psg}@N2", small)
    assert replay(small).verdict == "same"
    line = lineage.history(small)
    assert [o.operation for o in line] == [o.operation for o in lineage.history(psg, "N2")]
    psg.unlink()
    eegarchive.attach(fresh, small)
    assert replay(f"{fresh}@N2").verdict == "same"
    assert lineage.history(fresh, "N2") == line
    fresh.rename(tmp_path / "elsewhere")
    with pytest.raises(eegarchive.MissingBase):
        replay(small)
    report = replay(small, source=EDF)
    assert report.verdict == "same"
    assert report.unchecked


@pytest.mark.parametrize("copy", [False, True])
def test_a_thaw_of_a_freeze_from_elsewhere_goes_on_from_its_line(
    psg: Path, tmp_path: Path, copy: bool
) -> None:
    fresh = Path(shutil.copy(psg, tmp_path / "fresh.h5"))
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
        night.freeze("N2")
    eegarchive.detach(f"{psg}@N2", tmp_path / "small.h5")
    eegarchive.attach(fresh, tmp_path / "small.h5", copy=copy)
    if not copy:
        return
    with eegarchive.edit(fresh) as night:
        night.thaw("N2")
        night.drop_signals([FPZ])
    assert [o.operation for o in lineage.history(fresh)] == ["convert", "epochs", "freeze", "drop-signals"]
    assert replay(fresh).verdict == "same"


@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_what_was_done_before_people_were_taken_out_is_gone(psg: Path, tmp_path: Path) -> None:
    eegarchive.anonymize(psg, tmp_path / "fresh.h5")
    assert replay(tmp_path / "fresh.h5").verdict == "same"
    with eegarchive.edit(psg) as night:
        night.set_epochs(30)
    eegarchive.anonymize(psg, tmp_path / "out.h5")
    report = replay(tmp_path / "out.h5")
    assert report.verdict == "not replayable"
    assert "replay the original archive" in report.steps[-1].why


# -- in any order -----------------------------------------------------------------------------------

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["epochs", "mask", "flip", "restructure", "copy", "rename", "drop", "set", "write", "add", "events",
             "filter", "resample", "freeze", "thaw"]
        ),
        st.integers(0, 7),
    ),
    max_size=10,
)  # fmt: skip


def _do(night: eegarchive.EditableArchive, what: str, number: int, count: int) -> None:
    names = list(night.signals)
    name = names[number % len(names)]
    dice = np.random.default_rng(number)
    if what == "epochs":
        night.set_epochs(10 + 5 * number)
    elif what == "mask":
        night.mask(random=2, seed=number) if number % 2 else night.mask(
            drop_times=(10 * number, 10 * number + 25)
        )
    elif what == "flip":
        night.mask(flip=True)
    elif what == "restructure":
        night.restructure(whole_records=bool(number % 2))
    elif what == "copy":
        night.copy_signal(name, f"copy {count}")
    elif what == "rename":
        night.rename_signal(name, f"new/{count}")
    elif what == "drop":
        night.drop_signals([name])
    elif what == "set":
        night.set_signal(name, note=number / 3)
    elif what == "write":
        night.signals[name].digital[number : number + 5] = dice.integers(-9, 9, 5)
    elif what == "add":
        night.add_signal(f"add {count}", dice.normal(size=round(night.duration)), 1)
    elif what == "events":
        night.add_annotations([number, count], [1.0, float("nan")], ["a", "b"], annotation_set=f"s{number}")
    elif what == "filter":
        night.filter(0.1 * (1 + number) if night.signals[name].sampling_rate > 50 else None, 0.4, [name])
    elif what == "resample":
        night.resample(night.signals[name].sampling_rate * 2, [name])
    elif what == "freeze":
        night.freeze(f"t{number % 2}", overwrite=True)
    else:
        night.thaw(f"t{number % 2}")


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
@pytest.mark.filterwarnings("ignore::eegarchive.OddInput")
def test_any_operations_in_any_order_are_the_same(
    archives: dict[str, Path], operations: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(archives["edf_sleep_psg_30s_records"], f"{folder}/a.h5"))
        with eegarchive.edit(path) as night:
            for count, (what, number) in enumerate(operations):
                try:
                    _do(night, what, number, count)
                except EEGArchiveError:
                    continue
        with eegarchive.open(path) as archive:
            tags = list(archive.freezes)
        for tag in (None, *tags):
            report = replay(path if tag is None else f"{path}@{tag}")
            assert report.verdict == "same", [(s.text, s.outcome, s.why) for s in report.steps]


# -- the command ------------------------------------------------------------------------------------


def test_the_command_tells_it_step_by_step(filtered: Path) -> None:
    done = CliRunner().invoke(main, ["replay", f"{filtered}@clean", "--from", str(EDF)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split()[:3] for line in lines[:-1]] == [
        ["1", "same", "convert"], ["2", "same", "filter"], ["3", "same", "freeze"],
    ]  # fmt: skip
    with eegarchive.open(filtered, "clean") as archive:
        assert lines[-1] == f"{filtered}@clean: same, digest {archive.digest[:12]} after 3 steps"


def test_the_command_tells_what_differs(filtered: Path, round_otherwise: Callable[[], None]) -> None:
    round_otherwise()
    done = CliRunner().invoke(main, ["replay", str(filtered)])
    assert done.exit_code == 1
    assert (
        "first difference: step 2, filter to 1-30 Hz: EEG Fpz-Cz; compared behind step 2 with the freeze"
        in done.output
    )
    assert "  EEG Fpz-Cz: " in done.output
    assert f"versions at step 2: numpy {np.__version__}, now 9.9" in done.output
    done = CliRunner().invoke(main, ["replay", str(filtered), "--tolerance", "0.01"])
    assert done.exit_code == 0
    assert "same within 0.01 (at most 0.000977 apart, in the signals' units); digests differ" in done.output
    done = CliRunner().invoke(main, ["replay", str(filtered), "--json"])
    told = json.loads(done.output)
    assert (told["schema"], told["ok"], told["verdict"]) == ("eegarchive.replay/1", False, "differs")
    assert told["steps"][1]["difference"]["samples"][0]["first"] == 1234


def test_the_command_tells_what_was_taken_and_what_was_not_run(applied: Path) -> None:
    with eegarchive.edit(applied) as night:
        night.add_annotations([1.0], [2.0], ["x"])
    done = CliRunner().invoke(main, ["replay", str(applied)])
    assert done.exit_code == 1
    assert "step 2: users_own:double wasn't run; --run-code" in done.output
    assert (
        "can't be replayed: 1 of 5 steps couldn't be done again; all else gives the recorded state"
        in done.output
    )
    done = CliRunner().invoke(main, ["replay", str(applied), "--run-code"])
    assert done.exit_code == 0
    assert "; 1 step with what was taken from the archive" in done.output
    assert CliRunner().invoke(main, ["replay", str(applied), "--tolerance", "-1"]).exit_code == 2


def test_a_luna_script_is_replayed(psg: Path) -> None:
    eegarchive.run(
        psg, "FILTER sig=EEG_Fpz_Cz bandpass=0.5,30 tw=1 ripple=0.02 & MASK epoch=2-5 & RE & FREEZE F1"
    )
    report = eegarchive.replay(f"{psg}@F1")
    assert [step.operation for step in report.steps][:3] == ["convert", "run", "filter"]
    assert report.verdict == "same"
