"""MASK: which epochs are out."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from eegarchive.luna.annotated import epochs_with
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.operations.masks import Flags, masked, ranges_text, touched

_BY_ANNOTATION = re.compile(r"(mask-|unmask-|)(ifnot|if)(-all|-any|)")
_MODES = {"": "force", "mask-": "mask", "unmask-": "unmask"}
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}|end))?")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}(?:\.\d+)?))?\s*([ap]m)?", re.IGNORECASE)
_ALL, _NONE = ("all", "total", "exclude-all"), ("none", "clear", "include-all")
_DAY = 86_400.0


def run_mask(run: Run, command: Command) -> None:
    """MASK form: mask epochs, which leaves them out; they go with the next RE.

    Masks add up, but `if` and `ifnot` set every epoch anew, and `unmask-...`, `none`, `flip` unmask. Numbers of epochs
    are those they have now, counted from 1 on after each RE; times are those of the recording.

    Raises
    ------
    ScriptError
        If it isn't exactly one form, or numbers or times are none.
    """
    if len(command.parameters) != 1:
        raise command.error("takes exactly one parameter, as ifnot=N2")
    (key,) = command.parameters
    run.epochs()
    before = masked(run.night.draft)
    if match := _BY_ANNOTATION.fullmatch(key):
        after = _by_annotation(run, command, key, match, before)
    elif key in _ALL:
        after = np.ones_like(before)
    elif key in _NONE:
        after = np.zeros_like(before)
    elif key == "flip":
        after = ~before if run.has_mask or before.any() else before
    else:
        after = _FORMS[key](run, command, before)
    set_mask(run, after)
    run.has_mask = key not in _NONE and (key != "flip" or run.has_mask or bool(before.any()))
    run.log(
        f"MASK {key}: {np.sum(after & ~before)} epochs masked, {np.sum(before & ~after)} unmasked; "
        f"{np.sum(~after)} of {len(after)} are left"
    )


def set_mask(run: Run, flags: Flags) -> None:
    """Mask the epochs where `flags` holds, and no others."""
    if np.array_equal(flags, masked(run.night.draft)):
        return
    out = run.night.epochs["epoch"][flags]
    if len(out):
        run.night.mask(clear=True, drop_epochs=ranges_text(out))
    else:
        run.night.mask(clear=True)


def _by_annotation(run: Run, command: Command, key: str, match: re.Match[str], before: Flags) -> Flags:
    """By whether epochs have annotations."""
    mode, are_all = _MODES[match[1]], match[3] == "-all"
    has, names = epochs_with(run, command, command.parameters.list(key) or _nothing(command), are_all)
    wanted = has if match[2] == "if" else ~has
    after = {"force": wanted, "mask": before | wanted, "unmask": before & ~wanted}[mode]
    _put(run, ",".join(names), has, before, after)
    strata = {"EMASK": ",".join(names)}
    run.put("MASK", "MASK_MODE", mode, **strata)
    run.put("MASK", "MATCH_LOGIC", "AND" if are_all else "OR", **strata)
    run.put("MASK", "MATCH_TYPE", match[2], **strata)
    return after


def _nothing(command: Command) -> list[str]:
    raise command.error("needs annotations, as if=N2,N3")


def _put(run: Run, name: str, has: Flags, before: Flags, after: Flags) -> None:
    """What a mask by annotations has done."""
    newly, freed = int(np.sum(after & ~before)), int(np.sum(before & ~after))
    counts = {
        "N_MATCHES": int(has.sum()),
        "N_MASK_SET": newly,
        "N_MASK_UNSET": freed,
        "N_UNCHANGED": len(after) - newly - freed,
        "N_RETAINED": int(np.sum(~after)),
        "N_TOTAL": len(after),
    }
    for variable, value in counts.items():
        run.put("MASK", variable, value, EMASK=name)


# -- by number and time -------------------------------------------------------------------------


def _numbers(command: Command, key: str, count: int) -> Flags:
    """Epochs of a list as 5,7,9-11,48-end: numbers they have now; those behind the last one are left out."""
    flags = np.zeros(count, bool)
    for part in command.parameters.list(key):
        match = _RANGE.fullmatch(part)
        if (
            match is None
            or not int(match[1])
            or (match[2] and match[2] != "end" and int(match[2]) < int(match[1]))
        ):
            raise command.error(f"{key}={part}: isn't a number or range of epochs, as 5, 9-11 or 48-end")
        last = count if match[2] == "end" else int(match[2] or match[1])
        flags[int(match[1]) - 1 : last] = True
    return flags


def _epoch(run: Run, command: Command, before: Flags) -> Flags:
    return before | ~_numbers(command, "epoch", len(before))


def _mask_epoch(run: Run, command: Command, before: Flags) -> Flags:
    return before | _numbers(command, "mask-epoch", len(before))


def _sec(run: Run, command: Command, before: Flags) -> Flags:
    text = command.parameters.need("sec")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if match is None or not float(match[1]) < float(match[2]):
        raise command.error(
            f"sec={text}: expected seconds from the recording's start, the smaller first: sec=60-120"
        )
    return before | ~_within(run, float(match[1]), float(match[2]))


def _hms(run: Run, command: Command, before: Flags) -> Flags:
    text = command.parameters.need("hms")
    first, _, last = text.partition("-")
    zero = run.night.start
    if zero is None:
        raise command.error(f"hms={text}: the recording doesn't state when it began; use sec=")
    begin = zero.hour * 3600 + zero.minute * 60 + zero.second + zero.microsecond / 1e6
    start = (clock_seconds(command, "hms", first) - begin) % _DAY
    length = (clock_seconds(command, "hms", last) - begin - start) % _DAY
    if not length:
        raise command.error(f"hms={text}: starts and ends at the same time")
    # a stretch that the recording begins within has begun the day before
    found = _within(run, start, start + length) | _within(run, start - _DAY, start - _DAY + length)
    return before | ~found


def clock_seconds(command: Command, key: str, text: str) -> float:
    """Seconds since midnight of a time as 22:30, 22:30:00 or 10:30:00pm.

    Raises
    ------
    ScriptError
        If it is none.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is not None:
        hour, minute, second = int(match[1]), int(match[2]), float(match[3] or 0)
        if match[4] and 1 <= hour <= 12:
            hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
        elif match[4]:
            hour = 24
        if hour < 24 and minute < 60 and second < 60:
            return hour * 3600 + minute * 60 + second
    raise command.error(f"{key}={command.parameters.get(key)}: {text!r} isn't a time of day, as 22:30:00")


def _within(run: Run, start: float, stop: float) -> Flags:
    return touched(run.night.draft, np.array([start]), np.array([stop - start]), whole_epoch=False)


# -- by where they lie --------------------------------------------------------------------------


def _leading(run: Run, command: Command, before: Flags) -> Flags:
    return _ends(run, command, "leading", before, leading=True)


def _trailing(run: Run, command: Command, before: Flags) -> Flags:
    return _ends(run, command, "trailing", before, trailing=True)


def _leading_trailing(run: Run, command: Command, before: Flags) -> Flags:
    return _ends(run, command, "leading-trailing", before, leading=True, trailing=True)


def _trim(run: Run, command: Command, before: Flags) -> Flags:
    """As leading-trailing, but n of them stay at either end: trim=W,10."""
    return _ends(run, command, "trim", before, leading=True, trailing=True, takes_number=True)


def _ends(
    run: Run,
    command: Command,
    key: str,
    before: Flags,
    *,
    leading: bool = False,
    trailing: bool = False,
    takes_number: bool = False,
) -> Flags:
    """Mask the epochs at the beginning and end that have annotations."""
    texts, spared = command.parameters.list(key), 0
    if takes_number and len(texts) > 1 and texts[-1].isdigit():
        spared = int(texts.pop())
    has, names = epochs_with(run, command, texts or _nothing(command))
    out = np.zeros_like(has)
    if leading:
        out[: max(0, _run_length(has) - spared)] = True
    if trailing:
        out[len(has) - max(0, _run_length(has[::-1]) - spared) :] = True
    after = before | out
    _put(run, ",".join(names), out, before, after)
    return after


def _run_length(flags: Flags) -> int:
    """How many hold from the first on."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def _retain(run: Run, command: Command, before: Flags) -> Flags:
    """Mask all epochs before the first that has an annotation."""
    has, names = epochs_with(run, command, command.parameters.list("retain") or _nothing(command))
    out = np.zeros_like(has)
    out[: _run_length(~has)] = True
    after = before | out
    _put(run, ",".join(names), out, before, after)
    return after


def _flanked(run: Run, command: Command, before: Flags) -> Flags:
    """Keep epochs that have an annotation, as have the n before and the n behind them."""
    texts = command.parameters.list("flanked")
    if len(texts) != 2 or not texts[1].isdigit() or not int(texts[1]):
        raise command.error("flanked needs an annotation and how many epochs, as flanked=N2,2")
    has, _ = epochs_with(run, command, texts[:1])
    border = int(texts[1])
    around = np.concatenate([np.zeros(border, bool), has, np.zeros(border, bool)])
    counts = np.concatenate([[0], np.cumsum(around)])
    width = 2 * border + 1
    out: Flags = counts[width:] - counts[:-width] < width
    return before | out


def _first(run: Run, command: Command, before: Flags) -> Flags:
    """Mask all but the first n epochs, masked ones counted."""
    after = before.copy()
    after[_count(command, "first") :] = True
    return after


def _random(run: Run, command: Command, before: Flags) -> Flags:
    """Keep n random ones of the epochs that aren't masked."""
    left = np.flatnonzero(~before)
    after = np.ones_like(before)
    after[np.random.default_rng().permutation(left)[: _count(command, "random")]] = False
    return after


def _random_from(run: Run, command: Command, before: Flags) -> Flags:
    """Of the epochs that have annotations, keep n random ones: random-from=50,N2; others stay as they are."""
    texts = command.parameters.list("random-from")
    if len(texts) < 2 or not texts[0].isdigit() or not int(texts[0]):
        raise command.error("random-from needs how many epochs, and annotations, as random-from=50,N2")
    has, _ = epochs_with(run, command, texts[1:])
    out = np.random.default_rng().permutation(np.flatnonzero(has & ~before))[int(texts[0]) :]
    after = before.copy()
    after[out] = True
    return after


def _count(command: Command, key: str) -> int:
    count = command.parameters.integer(key)
    if count is None or count < 1:
        raise command.error(f"{key}={command.parameters.get(key)}: expected how many epochs, from 1 on")
    return count


def _unmask_interior(run: Run, command: Command, before: Flags) -> Flags:
    """Unmask all epochs between the first and the last that aren't masked."""
    left = np.flatnonzero(~before)
    after = before.copy()
    if len(left):
        after[left[0] : left[-1]] = False
    return after


_FORMS: dict[str, Callable[[Run, Command, Flags], Flags]] = {
    "epoch": _epoch,
    "mask-epoch": _mask_epoch,
    "sec": _sec,
    "hms": _hms,
    "leading": _leading,
    "trailing": _trailing,
    "leading-trailing": _leading_trailing,
    "trim": _trim,
    "retain": _retain,
    "flanked": _flanked,
    "first": _first,
    "random": _random,
    "random-from": _random_from,
    "unmask-interior": _unmask_interior,
}
