"""CHEP-MASK, CHEP: epochs of single channels that are outliers.

They are annotations of the kind and set `chep`, with the channel's name: so they are in freezes, stay through RE, and
other programs see them. An epoch of a channel has one if it is the epoch that was found; an epoch of another length,
if it overlaps with that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eegarchive.errors import EEGArchiveError
from eegarchive.luna.commands.masking import set_mask
from eegarchive.luna.reading import epoch_blocks, epoch_samples
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command
from eegarchive.numerics.moments import hjorth
from eegarchive.operations.epochs import SAME_TIME
from eegarchive.operations.masks import touched
from eegarchive.storage.files import new_file
from eegarchive.storage.guard import printable
from eegarchive.storage.workers import spread

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
#: Which values of (channels, epochs) are outliers, of those that count.
_Finder = Callable[[Floats, Flags, float], Flags]

CHEP = "chep"
_FEWEST = 3


# -- where they are kept ------------------------------------------------------------------------


def outlying(run: Run, names: Sequence[str]) -> Flags:
    """Which epochs of channels are outliers: (channels, epochs) of all epochs there are."""
    draft = run.night.draft
    columns, epochs = draft.annotations.columns, draft.epochs.columns
    ours = np.array([own == CHEP for own in columns["set"]], bool)
    flags = np.zeros((len(names), len(epochs["start"])), bool)
    for row, name in enumerate(names):
        mine = ours & np.array([name == own for own in columns["channel"]], bool)
        onset, duration = columns["onset"][mine], columns["duration"][mine]
        if not len(onset) or not len(epochs["start"]):
            continue
        same = np.abs(duration - epochs["duration"][0]) <= SAME_TIME
        at = np.clip(np.searchsorted(onset[same], epochs["start"] - SAME_TIME), 0, max(0, same.sum() - 1))
        if same.any():
            flags[row] = np.abs(onset[same][at] - epochs["start"]) <= SAME_TIME
        flags[row] |= touched(draft, onset[~same], duration[~same], whole_epoch=False)
    return flags


def _add(run: Run, names: Sequence[str], flags: Flags) -> int:
    """Keep what is new of outliers; how many that is."""
    channels, which = np.nonzero(flags & ~outlying(run, names))
    if len(which):
        epochs = run.night.epochs.columns()
        run.night.add_annotations(
            epochs["start"][which],
            epochs["duration"][which],
            [CHEP] * len(which),
            channel=[names[channel] for channel in channels.tolist()],
            annotation_set=CHEP,
        )
    return len(which)


# -- CHEP-MASK ----------------------------------------------------------------------------------


def run_chep_mask(run: Run, command: Command) -> None:
    """CHEP-MASK [sig=...] [ep-th=3,3] [ch-th=3] [chep-th=3]: find epochs of channels that are outliers.

    That is where Hjorth's activity, mobility or complexity lies further than so many standard deviations from the
    mean: of a channel's epochs (`ep-th`), of an epoch's channels (`ch-th`), or of all (`chep-th`). Each number is a
    pass; what was found counts no longer in the next one. With `ep-th0` and so on, what earlier commands have found
    counts too. Masked epochs don't count, and none is found where fewer than three values count.
    """
    epochs = run.epochs()
    left = ~epochs["masked"]
    names = _fast_enough(run, command, float(epochs["duration"].min(initial=np.inf)))
    steps = [
        (key, key + zero, find)
        for key, find in (("ep-th", _by_channel), ("ch-th", _by_epoch), ("chep-th", _by_all))
        for zero in ("", "0")
        if key + zero in command.parameters
    ]
    if not steps:
        raise command.error("needs a threshold, as ep-th=3,3")
    if not names or not left.any():
        return
    values = np.stack(
        list(spread(lambda name: _hjorth(run, name, {key: own[left] for key, own in epochs.items()}), names)),
        axis=1,
    )
    known = outlying(run, names)[:, left]
    found = known.copy()
    for _, key, find in steps:
        fresh = key.endswith("0")
        out = np.zeros_like(known) if fresh else found
        for threshold in command.parameters.numbers(key) or []:
            if threshold <= 0:
                raise command.error(f"{key}={threshold:g}: expected standard deviations, above 0")
            out = out | np.logical_or.reduce([find(one, ~out, threshold) for one in values])
        found |= out
    flags = np.zeros((len(names), len(left)), bool)
    flags[:, left] = found
    count = _add(run, names, flags)
    run.log(
        f"CHEP-MASK: {count} outlying epochs of {len(names)} channels, {int(found.sum())} with those before"
    )


def _fast_enough(run: Run, command: Command, length: float) -> list[str]:
    """The signals that have enough samples in an epoch."""
    names = run.signals(command)
    slow = [name for name in names if run.night.signals[name].sampling_rate * length < _FEWEST]
    for name in slow:
        rate = run.night.signals[name].sampling_rate
        run.log(f"CHEP-MASK: {run.label(name)} is left out, {rate:g} Hz are too few samples in an epoch")
    return [name for name in names if name not in slow]


def _hjorth(run: Run, name: str, epochs: dict[str, npt.NDArray[np.generic]]) -> Floats:
    """Hjorth's three parameters of a signal's epochs."""
    signal = run.night.signals[name]
    starts, count = epoch_samples(run.night, epochs, signal.sampling_rate)
    found = np.empty((3, len(starts)))
    for which, values in epoch_blocks(signal, starts, count):
        found[:, which] = hjorth(values)
    return found


def _outside(values: Floats, counting: Flags, threshold: float) -> Flags:
    """Which of some values that count are further from their mean than so many deviations."""
    counting = counting & np.isfinite(values)
    if counting.sum() < _FEWEST:
        return np.zeros_like(counting)
    mean, sd = values[counting].mean(), values[counting].std(ddof=1)
    flags: Flags = counting & (np.abs(values - mean) > threshold * sd)
    return flags


def _by_channel(values: Floats, counting: Flags, threshold: float) -> Flags:
    return np.stack([_outside(*pair, threshold) for pair in zip(values, counting, strict=True)])


def _by_epoch(values: Floats, counting: Flags, threshold: float) -> Flags:
    return _by_channel(values.T, counting.T, threshold).T


def _by_all(values: Floats, counting: Flags, threshold: float) -> Flags:
    return _outside(values, counting, threshold)


# -- CHEP ---------------------------------------------------------------------------------------


def run_chep(run: Run, command: Command) -> None:
    """CHEP [load=file] [bad-channels=...] [epochs[=p,n]] [channels[=p,n]] [drop-channels[=p,n]] [save=file] [dump].

    `epochs` masks epochs that are outliers in more than the part p (none by default) of the channels, or in n or more;
    they are outliers of all channels then. `channels` and `drop-channels` are the same across epochs: such channels
    are outliers in all epochs, or dropped. `bad-channels` names channels that are. `clear` forgets all. Files have
    lines of epoch, tab, channel.

    Raises
    ------
    EEGArchiveError
        If a file can't be read or written.
    """
    given = command.parameters
    run.epochs()
    if given.flag("clear") and any(own == CHEP for own in run.night.annotations["set"]):
        run.log(
            f"CHEP: {run.night.drop_annotations(annotation_set=CHEP)} outlying epochs of channels are forgotten"
        )
    names = run.signals(command)
    if "load" in given:
        _load(run, command, names)
    if "bad-channels" in given:
        bad = run.signals(command, "bad-channels")
        _add(run, names, np.array([name in bad for name in names])[:, None] & _left(run)[None])
    if given.flag("epochs"):
        _mask_epochs(run, command, names)
    if given.flag("channels"):
        share, least = _limits(command, "channels")
        _add(run, names, _too_many(_now(run, names), share, least)[:, None] & _left(run)[None])
    if given.flag("drop-channels"):
        share, least = _limits(command, "drop-channels")
        flags = _too_many(_now(run, names), share, least)
        dropped = [name for name, drop in zip(names, flags, strict=True) if drop]
        if dropped:
            run.log(f"CHEP: dropped {', '.join(map(run.label, dropped))}")
            run.night.drop_signals(dropped)
            names = [name for name in names if name not in dropped]
    if given.flag("dump"):
        _dump(run, names)
    if "save" in given:
        _save(run, command, names)


def _left(run: Run) -> Flags:
    return ~run.night.epochs["masked"]


def _now(run: Run, names: Sequence[str]) -> Flags:
    """Outliers among the epochs that aren't masked."""
    return outlying(run, names)[:, _left(run)]


def _limits(command: Command, key: str) -> tuple[float, float]:
    """Which part is too many, and which number."""
    numbers = command.parameters.numbers(key) if command.parameters.items()[key] is not None else []
    if len(numbers or []) > 2 or any(number < 0 for number in numbers or []):
        raise command.error(f"{key}: expected a part and a number, as {key}=0.2,3")
    share, least = [*(numbers or []), 0.0, np.inf][0], np.inf
    if numbers and len(numbers) == 2:
        least = numbers[1]
    return share, least


def _too_many(flags: Flags, share: float, least: float) -> Flags:
    """Which rows have more than a share of outliers, or as many as `least` at least."""
    counts = flags.sum(axis=1)
    found: Flags = (counts > share * max(1, flags.shape[1])) | (counts >= least)
    return found


def _mask_epochs(run: Run, command: Command, names: Sequence[str]) -> None:
    share, least = _limits(command, "epochs")
    left = _left(run)
    out = np.zeros_like(left)
    out[left] = _too_many(_now(run, names).T, share, least)
    _add(run, names, np.broadcast_to(out, (len(names), len(out))))
    set_mask(run, ~left | out)
    run.has_mask = True
    run.log(f"CHEP: {int(out.sum())} epochs masked; {int(np.sum(left & ~out))} are left")


def _dump(run: Run, names: Sequence[str]) -> None:
    """Outliers by epoch, by channel, and by both."""
    flags, numbers = outlying(run, names), run.night.epochs["epoch"]
    if not len(names):
        return
    run.put_columns("CHEP", {"CH": list(names)}, {"CHEP": flags.sum(axis=1)})
    run.put_columns("CHEP", {"E": numbers}, {"CHEP": flags.sum(axis=0)})
    factors = {"CH": np.repeat(np.array(names, object), len(numbers)), "E": np.tile(numbers, len(names))}
    run.put_columns("CHEP", factors, {"CHEP": flags.ravel().astype(int)})


def _save(run: Run, command: Command, names: Sequence[str]) -> None:
    path = Path(command.parameters.need("save"))
    which, channels = np.nonzero(outlying(run, names).T)
    numbers, labels = (
        run.night.epochs["epoch"][which].tolist(),
        [run.label(names[i]) for i in channels.tolist()],
    )
    rows = sorted(zip(numbers, labels, strict=True))
    with new_file(path, overwrite=True) as temporary:
        temporary.write_text("".join(f"{number}\t{label}\n" for number, label in rows), encoding="utf-8")


def _load(run: Run, command: Command, names: Sequence[str]) -> None:
    path = Path(command.parameters.need("load"))
    rows = {label: row for row, name in enumerate(names) for label in (name, run.label(name))}
    at = {number: i for i, number in enumerate(run.night.epochs["epoch"].tolist())}
    flags = np.zeros((len(names), len(at)), bool)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise EEGArchiveError(f"{printable(str(path))}: isn't text in UTF-8; save it as such") from None
    for line, text in enumerate(lines, 1):
        number, tab, channel = text.partition("\t")
        if not tab or not number.isdigit():
            raise EEGArchiveError(
                f"{printable(str(path))}: line {line}: {printable(text[:60])!r}; expected epoch, tab, channel"
            )
        if channel.strip() in rows and int(number) in at:
            flags[rows[channel.strip()], at[int(number)]] = True
    _add(run, names, flags)
