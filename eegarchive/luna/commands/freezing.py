"""FREEZE, THAW: keep the state under a tag, and get it back."""

from __future__ import annotations

from eegarchive.errors import TargetExists
from eegarchive.layout import RESERVED_TAGS
from eegarchive.luna.run import Run
from eegarchive.luna.script import Command

#: What a freeze that a script has made says of itself: scripts may replace such ones.
NOTE = "made by a script"
_OPTIONS = frozenset({"preserve-cache", "remove", "strict"})


def run_freeze(run: Run, command: Command) -> None:
    """FREEZE tag: keep signals, annotations, epochs, masks and caches as they are now.

    A freeze that a script has made is replaced, as Luna does, so that a script can be run again. One that was
    made otherwise isn't.

    Raises
    ------
    TargetExists
        If there is a freeze of that tag that no script has made.
    EEGArchiveError
        If the tag is none, or reserved.
    """
    tag = command.parameters.single("tag")
    known = run.night.freezes.attributes()
    if tag in known and tag not in RESERVED_TAGS and known[tag].get("note") != NOTE:
        raise TargetExists(
            f"{run.night.path}: the freeze {tag!r} wasn't made by a script, so none replaces it; choose another tag, "
            "or remove that freeze (THAW, or `eegarchive freezes --remove`)"
        )
    run.night.freeze(tag, note=NOTE, overwrite=tag in known)
    tags = sorted(run.night.freezes, key=lambda text: text.encode("utf-8"))
    run.log(f"froze the state as {tag}{' anew' if tag in known else ''}; there are {', '.join(tags)}")


def run_thaw(run: Run, command: Command) -> None:
    """THAW tag [remove] [preserve-cache]: make the state what a freeze has kept, annotations and caches too.

    What was done since the last FREEZE is gone, as in Luna. TAG and what CACHE records stay. An unknown tag
    is an error, with or without `strict`.

    Raises
    ------
    NotInArchive
        If there is no such freeze; the message lists the tags.
    """
    given = command.parameters
    tag = given.single("tag", _OPTIONS)
    before = _sizes(run)
    run.night.thaw(tag, remove=given.flag("remove"), preserve_cache=given.flag("preserve-cache"))
    run.is_empty = run.has_mask = False
    run.log(f"thawed {tag}: {_sizes(run)} (before: {before})")


def _sizes(run: Run) -> str:
    """How large the state is."""
    night = run.night
    seconds, signals = night.segments["duration"].sum(), len(night.signals)
    return f"{seconds:.10g} s, {signals} signals, {len(night.annotations)} annotations"
