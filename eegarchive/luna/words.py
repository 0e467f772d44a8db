"""The words of the language: which commands there are, and which parameters each of them takes."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eegarchive.errors import ScriptError
from eegarchive.luna.script import Command
from eegarchive.storage.guard import printable

if TYPE_CHECKING:
    from eegarchive.luna.run import Run


@dataclass(frozen=True)
class Word:
    """A command of the language.

    Attributes
    ----------
    name : str
    module : str
        Which module of `eegarchive.luna.commands` does it.
    parameters : frozenset of str
        Keys that it takes; those of `any_key` are texts that may stand alone.
    summary : str
        What it does, in one line.
    makes_changes : bool
        Whether it can change the archive.
    is_about : str
        The key whose value may stand without it: `FREEZE f1` is `FREEZE tag=f1`.
    unsupported : frozenset of str
        Parameters that Luna has and that aren't here.
    takes_empty : bool
        Whether it is done when no epochs are left.
    """

    name: str
    module: str
    parameters: frozenset[str]
    summary: str
    makes_changes: bool = False
    is_about: str = ""
    unsupported: frozenset[str] = frozenset()
    takes_empty: bool = False

    def load(self) -> Callable[[Run, Command], None]:
        """The function that does it."""
        module = importlib.import_module(f"eegarchive.luna.commands.{self.module}")
        found: Callable[[Run, Command], None] = getattr(module, f"run_{self.name.lower().replace('-', '_')}")
        return found


def _word(
    name: str,
    module: str,
    parameters: str,
    summary: str,
    *,
    changes: bool = False,
    about: str = "",
    lacks: str = "",
    empty: bool = False,
) -> Word:
    return Word(
        name,
        module,
        frozenset(parameters.split()),
        summary,
        changes,
        about,
        frozenset(lacks.split()),
        empty,
    )


_MASK = (
    "all clear epoch exclude-all first flanked flip hms "
    "if if-all if-any ifnot ifnot-all ifnot-any include-all leading leading-trailing "
    "mask-epoch mask-if mask-if-all mask-if-any mask-ifnot mask-ifnot-all mask-ifnot-any "
    "none random random-from retain sec total trailing trim unmask-interior "
    "unmask-if unmask-if-all unmask-if-any unmask-ifnot unmask-ifnot-all unmask-ifnot-any"
)
_MASK_LACKS = (
    "dhms expr mask-expr mask-leading mask-leading-trailing mask-trailing not-expr regional stable-any "
    "stable-unique unmask-expr unmask-leading unmask-leading-trailing unmask-trailing"
)
_RESTRUCTURE = ("preserve-cache require", "Drop the masked epochs.")

#: All words by name.
WORDS: dict[str, Word] = {
    word.name: word
    for word in (
        # -- freezes and caches
        _word("FREEZE", "freezing", "tag", "Keep the state under a tag.", changes=True, about="tag"),
        _word(
            "THAW", "freezing", "preserve-cache remove strict tag", "Get back the state of a freeze.",
            changes=True, about="tag", empty=True,
        ),
        _word(
            "CACHE", "caching",
            "bool cache clear cmd dump factors import int num record str text v",
            "Record outputs in a cache; import, dump or clear one.", changes=True,
            lacks="load test tp uppercase-keys",
        ),
        # -- epochs
        _word(
            "EPOCH", "epoching", "dump dur epoch inc len masked offset require table verbose",
            "Cut the recording into epochs.", changes=True,
            lacks="align annot clear contig debug else fixed flatten midpoint min only-one shift splice splice-gaps "
            "start stop trunc w w-after w-before",
        ),
        _word("MASK", "masking", _MASK, "Mask epochs.", changes=True, lacks=_MASK_LACKS),
        _word("RE", "epoching", *_RESTRUCTURE, changes=True, lacks="verbose"),
        _word("RESTRUCTURE", "epoching", *_RESTRUCTURE, changes=True, lacks="verbose"),
        _word(
            "DUMP-MASK", "epoching", "annot annot-unmasked",
            "List which epochs are masked, or annotate them.", changes=True, lacks="output",
        ),
        _word(
            "CHEP-MASK", "artefacts", "ch-th ch-th0 chep-th chep-th0 ep-th ep-th0 sig",
            "Find outlying epochs of channels.", changes=True, lacks="clipped flat max",
        ),
        _word(
            "CHEP", "artefacts", "bad-channels channels clear drop-channels dump epochs load save sig",
            "Mask epochs, or drop channels, by outlying epochs of channels.", changes=True,
            lacks="black-and-white",
        ),
        # -- signals
        _word("COPY", "signals", "new pretag sig silent tag", "Copy signals.", changes=True),
        _word("SIGNALS", "signals", "drop keep pick rename req", "Keep or drop signals.", changes=True),
        _word(
            "RENAME", "signals", "new sig", "Rename signals.", changes=True,
            lacks="add-leading add-trailing append drop-leading drop-trailing file prepend remove-leading "
            "remove-trailing",
        ),
        _word(
            "RESAMPLE", "signals", "sig sr", "Resample signals.", changes=True,
            lacks="best downsample fastest linear medium method upsample-if zoh",
        ),
        _word(
            "FILTER", "signals", "bandpass highpass lowpass ripple sig silent tw", "Filter signals.",
            changes=True,
            lacks="bandstop bartlett blackman butterworth chebyshev fft file fix-nyquist hann ngaus order rectangular",
        ),
        # -- what there is
        _word(
            "TAG", "describing", "tag", "Add a factor to all outputs that follow.", about="tag", empty=True
        ),
        _word("DESC", "describing", "channels sig", "Describe the recording in words.", empty=True),
        _word("HEADERS", "describing", "sig signals", "List headers of recording and signals.", empty=True),
        # -- listings
        _word(
            "MATRIX", "matrix", "annot file format2 head hms hms2 min minimal sig", "Write samples as text."
        ),
        _word("ANNOTS", "listing", "all annot any epoch show-masked start", "List annotations."),
        _word(
            "DROP-ANNOTS", "listing", "annot", "Drop annotations.", changes=True, lacks="all any mask start"
        ),
        _word(
            "WRITE", "listing", "edf edf-dir edf-tag", "Write the state as EDF.",
            lacks="EDF+D channels edfz force-edf null-starttime sample-list with-annots",
        ),
        # -- numbers
        _word(
            "PSD", "power",
            "dB epoch epoch-spectrum hamming hann max min no-window segment-overlap segment-sec sig spectrum tukey50",
            "Power spectra, by Welch's method.",
            lacks="average-adj bin cache cache-bands cache-epochs cache-spectra center detrend dynamics fac kurtosis "
            "mean-center median peaks ratio sd segment-inc segment-median segment-sd slope",
        ),
        _word(
            "STATS", "stats", "epoch kurt3 min minimal pct sig", "Means, deviations, percentiles of samples.",
            lacks="dynam encoding sr-under",
        ),
        _word(
            "SPINDLES", "sleep",
            "cache-peaks cache-peaks-sec cycles fc max merge min min0 per-spindle q sig th th2 win",
            "Find sleep spindles.", changes=True,
            lacks="all-spindles annot annot-ch cache cache-mids collate collate-annot collate-channels "
            "collate-within-channel dynam empirical epoch evtdyn evtdyn-bg evtdyn-bg-none evtdyn-hypno "
            "evtdyn-vars f-lwr f-upr fc-lower fc-step fc-upper ftr ftr-dir fwhm hms if if-frq ignore-p2p influence "
            "list-all-spindles local mag median neg2pos nreps out pdf per-so "
            "perm-whole-trace phase precomputed prop set-empirical show-coef so so-verbose stats-median "
            "stratify-by-phase t-lwr t-neg-lwr t-neg-upr t-upr th-frq th-interval th-interval-cross-channel "
            "th-interval-within-channel th-max th-mean tlock uV-neg uV-p2p verbose-coupling verbose-empirical "
            "window winsor zpks",
        ),
    )
}  # fmt: skip
#: Parts of Luna's language that steer what is run.
_CONDITIONS = ("IF", "IFNOT", "ELSE", "FI", "ENDIF")


def check(commands: Sequence[Command]) -> None:
    """Look whether all commands and parameters are known, before anything is run.

    Raises
    ------
    ScriptError
        For the first that isn't; it says where, and which word is nearest.
    """
    if not commands:
        raise ScriptError("the script has no commands")
    for command in commands:
        word = WORDS.get(command.name)
        if word is None:
            raise _unknown(command)
        _check_parameters(command, word)


def _unknown(command: Command) -> ScriptError:
    where = f"line {command.line}: "
    if command.name in _CONDITIONS:
        return ScriptError(
            f"{where}{command.name}: conditions aren't supported; write a script for each case"
        )
    return ScriptError(f"{where}{printable(command.name)}: no such command; {_nearest(command.name, WORDS)}")


def _check_parameters(command: Command, word: Word) -> None:
    given = command.parameters.items()
    alone = [key for key, value in given.items() if value is None and key not in word.parameters]
    for key, value in given.items():
        if key in word.parameters or (word.is_about and alone == [key]):
            continue
        if key in word.unsupported:
            raise command.error(f"{key} isn't supported (Luna has it)")
        if value is None and word.is_about and key in alone:
            raise command.error(f"takes one {word.is_about}, this has {', '.join(map(printable, alone))}")
        raise command.error(f"no such parameter {printable(key)!r}; {_nearest(key, word.parameters)}")


def _nearest(text: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    names = sorted(known)
    folded = {name.lower(): name for name in names}
    if near := difflib.get_close_matches(text.lower(), folded, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(folded[name] for name in near)}?"
    return f"there are {', '.join(names)}" if names else "it takes none"
