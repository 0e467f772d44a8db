"""EPOCH, RE, DUMP-MASK: cut a recording into epochs, drop the masked ones, list masks."""

from __future__ import annotations

import datetime

import numpy as np
import numpy.typing as npt

from eegarchive import edf
from eegarchive.luna.commands.masking import clock_seconds
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.operations.epochs import DEFAULT_LENGTH, SAME_TIME

Floats = npt.NDArray[np.float64]

#: The set that annotations from masks belong to.
MASK_SET = "mask"
_LISTING = ("table", "dump")
_DAY = 86_400.0
_TICKS_IN_SECOND = 10**9


def run_epoch(run: Run, command: Command) -> None:
    """EPOCH [len=30] [inc=len] [offset=0] [verbose] [require=n]; EPOCH table [masked] lists those there are.

    Each segment is cut into whole epochs from its start on; none is masked then. The same epochs set again keep their
    numbers. `dur` is another word for `len`, `epoch=30,15` for both `len` and `inc`; the offset is in seconds, or a
    time of day. With `require`, a recording that has fewer epochs is left out until the next THAW.

    Raises
    ------
    EEGArchiveError
        If there can't be such epochs.
    """
    given = command.parameters
    is_listing = any(given.flag(key) for key in _LISTING)
    offset = 0.0
    if not is_listing or {"len", "dur", "epoch", "inc", "offset"} & set(given):
        length, step = _length_and_step(command)
        offset = _offset(run, command)
        run.night.set_epochs(length, step, offset)
        run.has_mask = False
    elif not len(run.night.epochs):
        run.odd(command, "no epochs are set")
        return
    needed = given.integer("require")
    count = int(np.sum(~run.night.epochs["masked"]))
    run.log(f"EPOCH: {len(run.night.epochs)} epochs, {count} of them not masked")
    if needed is not None and count < needed:
        run.is_empty = True
        run.odd(command, f"fewer than {needed} epochs; nothing more is done until a THAW")
        return
    _put_grid(run, offset if not is_listing else None, given.flag("masked"))
    if is_listing or given.flag("verbose"):
        _put_epochs(run, given.flag("masked"))


def _length_and_step(command: Command) -> tuple[float, float]:
    given = command.parameters
    named = [key for key in ("len", "dur", "epoch") if key in given]
    if len(named) > 1:
        raise command.error(f"{' and '.join(named)} mean the same; give one of them")
    numbers = (given.numbers(named[0]) if named else None) or [DEFAULT_LENGTH]
    if len(numbers) > (2 if named == ["epoch"] else 1):
        raise command.error(f"{named[0]}={given.get(named[0])}: too many numbers")
    length = numbers[0]
    step = given.number("inc", numbers[-1])
    assert step is not None
    if "inc" in given and len(numbers) > 1:
        raise command.error("the increment is given twice, by epoch and by inc")
    if step > length:
        raise command.error(
            f"epochs of {length:g} s every {step:g} s would leave gaps; inc is at most the length"
        )
    return length, step


def _offset(run: Run, command: Command) -> float:
    """Seconds from the start to the first epoch."""
    text = command.parameters.get("offset")
    if text is None or ":" not in text:
        return command.parameters.number("offset", 0.0) or 0.0
    zero = run.night.start
    if zero is None:
        raise command.error(f"offset={text}: the recording doesn't state when it began; give seconds")
    begin = zero.hour * 3600 + zero.minute * 60 + zero.second + zero.microsecond / 1e6
    return (clock_seconds(command, "offset", text) - begin) % _DAY


def _put_grid(run: Run, offset: float | None, with_masked: bool) -> None:
    """How the recording is cut; `offset` is None where these epochs have been set before."""
    columns = run.night.epochs.columns()
    left = ~columns["masked"]
    starts, lengths, numbers = (columns[name] for name in ("start", "duration", "epoch"))
    length = float(lengths[0])
    counted = np.ones_like(left) if with_masked else left
    spanned = _union(starts[counted], starts[counted] + lengths[counted])
    seconds = run.night.duration
    if offset is None:  # only where the first epoch is still there
        offset = float(starts[0] - run.night.segments["start"][0]) if numbers[0] == 1 else None
    values = {
        "CONTIG": 0,
        "DUR": length,
        "FIXED_DUR": length,
        "GENERIC": 0,
        "INC": _step(starts, numbers, length),
        "NE": int(left.sum()),
        "NE_MASKED": int(np.sum(~left)),
        "OFFSET": offset,
        "TOT_DUR": float(lengths[counted].sum()),
        "TOT_PCT": spanned / seconds if seconds else None,
        "TOT_REC": seconds,
        "TOT_SPANNED": spanned,
        "TOT_UNSPANNED": seconds - spanned,
    }
    if not with_masked:
        del values["NE_MASKED"]
    for name, value in values.items():
        run.put("EPOCH", name, value)


def _step(starts: Floats, numbers: npt.NDArray[np.int32], length: float) -> float:
    """From one epoch's start to the next one's; between segments it is more."""
    if len(starts) < 2:
        return length
    order = np.argsort(numbers, kind="stable")
    steps = np.diff(starts[order]) / np.maximum(1, np.diff(numbers[order]))
    return float(np.round(steps.min(), 9))


def _union(starts: Floats, stops: Floats) -> float:
    """Seconds that are in any of some stretches."""
    if not len(starts):
        return 0.0
    order = np.argsort(starts, kind="stable")
    begins, reach = starts[order], np.maximum.accumulate(stops[order])
    new = np.maximum(begins, np.concatenate([[begins[0]], reach[:-1]]))
    return float(np.sum(np.maximum(0.0, reach - new)))


def _put_epochs(run: Run, with_masked: bool) -> None:
    """A row for each epoch that isn't masked, or for each."""
    columns = run.night.epochs.columns()
    shown = np.ones(len(columns["masked"]), bool) if with_masked else ~columns["masked"]
    starts = columns["start"][shown]
    lengths, numbers = columns["duration"][shown], columns["epoch"][shown]
    stops = starts + lengths
    ticks = np.rint(np.stack([starts, stops], axis=1) * _TICKS_IN_SECOND).astype(np.int64).tolist()
    values = {
        "DUR": lengths,
        "E1": np.flatnonzero(shown) + 1,
        "HMS": [_clock(run.night.start, start) for start in starts.tolist()],
        "INTERVAL": [f"{a:.2f}->{b:.2f}" for a, b in zip(starts, stops, strict=True)],
        "LABEL": [f"E{number}" for number in numbers.tolist()],
        "MID": starts + lengths / 2,
        "START": starts,
        "STOP": stops,
        "TP": [f"{a}->{b}" for a, b in ticks],
    }
    if with_masked:
        values["EMASK"] = columns["masked"][shown].astype(int)
    run.put_columns("EPOCH", {"E": numbers}, values)


def _clock(zero: datetime.datetime | None, seconds: float) -> str | None:
    """Time of day with milliseconds."""
    if zero is None:
        return None
    moment = zero + datetime.timedelta(milliseconds=round(seconds * 1000))
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def run_re(run: Run, command: Command) -> None:
    """RE [preserve-cache] [require=n]: drop the masked epochs.

    As in Luna, data records stay whole: one is kept if an epoch that isn't masked touches it. Times go on counting
    from the recording's start, and epochs keep their numbers in outputs. If data are dropped, caches are emptied and
    recording ends, unless `preserve-cache` is given. If nothing would be left (or fewer epochs than `require`),
    what follows is left out until the next THAW; the archive isn't touched then.

    Raises
    ------
    EEGArchiveError
        If the records that would be left can't be cut.
    """
    run.epochs()
    before, masked = run.night.duration, run.night.epochs["masked"]
    needed, keeps = command.parameters.integer("require"), command.parameters.flag("preserve-cache")
    left = int(np.sum(~masked))
    run.has_mask = False
    if not left:
        run.is_empty = True
        run.odd(command, "no epochs are left; nothing more is done until a THAW")
        _put_records(run, before, 0.0)
        return
    if masked.any():
        run.night.restructure(whole_records=True, preserve_cache=keeps)
    after = run.night.duration
    if after < before - SAME_TIME and not keeps:
        run.tell_unmatched()
        run.recorders.clear()
    if needed is not None and left < needed:
        run.is_empty = True
        run.odd(command, f"fewer than {needed} epochs; nothing more is done until a THAW")
    run.log(f"{command.name}: {after:.10g} of {before:.10g} s are left, {left} epochs")
    _put_records(run, before, after)


run_restructure = run_re


def _put_records(run: Run, before: float, after: float) -> None:
    """Records and seconds before and after; signals too if something was dropped."""
    stated = edf.decode_number(str(run.night.edf_header["record_duration"]).encode("ascii", "replace"))
    record = float(stated or 0)
    values: dict[str, int | float | None] = {
        "DUR1": before,
        "DUR2": after,
        "NR1": round(before / record) if record else None,
        "NR2": round(after / record) if record else None,
    }
    if after < before - SAME_TIME:
        values |= {"NA": 1, "NS": len(run.night.signals)}
    for name, value in values.items():
        run.put("RE", name, value)


def run_dump_mask(run: Run, command: Command) -> None:
    """DUMP-MASK [annot=X] [annot-unmasked=X]: list which epochs are masked, or make annotations of those.

    An annotation of the set `mask` is made for each epoch.
    """
    given = command.parameters
    columns = run.epochs()
    run.put_columns("DUMP-MASK", {"E": columns["epoch"]}, {"EMASK": columns["masked"].astype(int)})
    for key, flags in (("annot", columns["masked"]), ("annot-unmasked", ~columns["masked"])):
        text = given.get(key)
        if text is not None and flags.any():
            run.night.add_annotations(
                columns["start"][flags],
                columns["duration"][flags],
                [text] * int(flags.sum()),
                annotation_set=MASK_SET,
            )
