"""What a value was computed from, and by what; and whether that still holds (spec H-7 to H-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from eegarchive.digest import source_digests
from eegarchive.errors import EEGArchiveError
from eegarchive.layout import FREEZES, STATE_DIGEST
from eegarchive.state import Description, State
from eegarchive.storage.container import ArchiveFile
from eegarchive.storage.objects import read_attribute

#: What a value holds for: the same samples at the same times of the clock; the same samples in the same places; the
#: very same state, masks and annotations included.
Basis = Literal["clock", "samples", "state"]
BASES: tuple[Basis, ...] = get_args(Basis)
#: The factor whose levels name signals.
CHANNEL = "CH"


@dataclass(frozen=True)
class Origin:
    """Where values came from.

    Attributes
    ----------
    state : str
        Digest of the state they were computed on.
    freeze : str
        Tag of a freeze of that state when they were; empty if there was none.
    basis : {"clock", "samples", "state"}
        What they hold for.
    operation : str
        "put", "import", "compute", or what a user calls it.
    function : str
        What computed them, as module:name; empty if nobody said.
    code : str
        What tells one version of the function from others; empty if nobody said.
    parameters, versions : str
        JSON objects.
    time : str
        When they were stored, UTC.
    """

    state: str
    freeze: str
    basis: str
    operation: str
    function: str
    code: str
    parameters: str
    versions: str
    time: str


@dataclass(frozen=True)
class Source:
    """What one signal of a state was made of.

    Attributes
    ----------
    label : str
    source : str
        Digest of the stored data that it takes samples from, and of how they become physical values.
    extent : str
        Digest of which samples it takes, in order.
    """

    label: str
    source: str
    extent: str


#: The signals of one state, by name.
Sources = Mapping[str, Source]


def tags_by_state(file: ArchiveFile) -> dict[str, list[str]]:
    """Tags of the freezes of each state, by its digest."""
    found = dict[str, list[str]]()
    for tag in file.own_freezes():
        digest = str(read_attribute(file.group(f"{FREEZES}/{tag}"), STATE_DIGEST))
        found.setdefault(digest, []).append(tag)
    return found


def sources_of(state: State) -> dict[str, Source]:
    """What the signals of a state are made of."""
    return {name: _source(state.signals.describe(name)) for name in state.signals}


def _source(signal: Description) -> Source:
    source, extent = source_digests(signal.attributes, signal.pieces)
    return Source(str(signal.attributes["label"]), source, extent)


def check_basis(basis: str) -> None:
    """Refuse what is no basis.

    Raises
    ------
    EEGArchiveError
    """
    if basis not in BASES:
        raise EEGArchiveError(f"basis {basis!r}: expected {', '.join(map(repr, BASES))}")


def why_stale(
    origin: Origin, channel: object, state: str, then: Sources | None, now: Mapping[str, Source]
) -> str | None:
    """Why a value doesn't hold for a state; None if it does.

    Parameters
    ----------
    origin : Origin
    channel : object
        Its level of the factor CH; None if it has none.
    state : str
        Digest of the state.
    then, now : mapping
        The signals of the state it was computed on (None: not known), and of this one.
    """
    if origin.state == state:
        return None
    if origin.basis == "state":
        return "it was computed on another state"
    if then is None:
        return "nothing tells what it was computed on"
    names = signals_named(then, channel)
    if origin.basis == "samples":
        for name in names or then:
            if name not in now or now[name].extent != then[name].extent:
                return f"the samples of {name} are others now, or in other places"
        return None
    for name in names:
        if name not in now:
            return f"there is no signal {name} any more"
        if now[name].source != then[name].source:
            return f"the samples of {name} are others now"
    return None


def signals_named(sources: Sources, channel: object) -> list[str]:
    """The signal that a level of CH names, by name or by a label that only one has; none or one."""
    if not isinstance(channel, str):
        return []
    if channel in sources:
        return [channel]
    labelled = [name for name, source in sources.items() if source.label.strip() == channel.strip()]
    return labelled if len(labelled) == 1 else []
