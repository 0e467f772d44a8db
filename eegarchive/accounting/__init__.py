"""The ledger: what a recording costs in each format, what each does to its samples, and where it comes from."""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegarchive import provenance
from eegarchive.accounting import formats
from eegarchive.accounting.formats import Format
from eegarchive.accounting.measuring import (
    Cost,
    Residual,
    emptied,
    measure,
    measure_features,
    size_of,
)
from eegarchive.accounting.source import Source
from eegarchive.archive import Archive, open_archive
from eegarchive.errors import EEGArchiveError, OddInput, describe
from eegarchive.exporting import ExportReport, bytes_to_export, export_edf
from eegarchive.lineage import history
from eegarchive.operations import counted
from eegarchive.storage.codec import CODECS
from eegarchive.storage.workers import num_cores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Cost", "Ledger", "Residual", "bytes_to_measure", "ledger"]

SCHEMA = "eegarchive.ledger/1"
#: The random window, and the window of a row of features, in seconds.
WINDOW_SECONDS = 30.0
DEFAULT_REPEATS = 3
_PEERS = ("mne", "zarr", "pyarrow")
_DIGITS = 12

#: Called with the bytes gone through since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Ledger:
    """What was measured on one recording.

    Attributes
    ----------
    archive : str
        Path, and tag if it was a freeze's.
    kind : str
        EDF, EDF+C, BDF and so on: what all was compared with.
    signals, samples, seconds : int, int, float
    repeats : int
        Of writing and reading, after one that isn't counted.
    window : float
        Seconds of a random window.
    costs : tuple of Cost
        By format: EDF, FIF, Zarr, the archive by each codec, features in Parquet; those that could be measured.
    left_out : dict
        Formats that couldn't, and why.
    provenance : dict
        Where the recording comes from, and by what it was measured: texts by name.
    """

    archive: str
    kind: str
    signals: int
    samples: int
    seconds: float
    repeats: int
    window: float
    costs: tuple[Cost, ...]
    left_out: dict[str, str]
    provenance: dict[str, str]

    def __getitem__(self, name: str) -> Cost:
        """The cost of a format by its name."""
        found = {cost.format: cost for cost in self.costs}
        if name not in found:
            raise KeyError(f"no format {name!r} was measured; there are {', '.join(found)}")
        return found[name]

    def figure(self) -> Figure:
        """Draw three panels: costs, residuals, provenance. Needs matplotlib."""
        from eegarchive.plotting.sheet import need_matplotlib

        need_matplotlib()
        from eegarchive.accounting.figure import draw

        return draw(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; times in seconds, and their medians in milliseconds."""
        found = asdict(self)
        found["costs"] = [
            {**asdict(cost), "median_ms": cost.medians(), "exact": cost.residual and cost.residual.is_exact}
            for cost in self.costs
        ]
        return {"schema": SCHEMA, **found}


def ledger(
    archive: str | os.PathLike[str] | Archive,
    *,
    repeats: int = DEFAULT_REPEATS,
    progress: Progress | None = None,
) -> Ledger:
    """Measure what a recording costs in each format, and what each format does to its samples.

    The state is exported as EDF (BDF, if it came from one), and that file written as FIF (by MNE), Zarr, features in
    Parquet, and an archive by each codec, into a temporary folder that is removed. All samples read back are
    compared with the EDF's. The archive isn't changed.

    Parameters
    ----------
    archive : path-like or Archive
        `night.h5`, `night.h5@TAG`, or an open archive.
    repeats : int
        How often to write and read each; medians are shown. One more before isn't counted.
    progress : callable, optional
        Called with the bytes gone through since the last call; they add up to about :func:`bytes_to_measure`.

    Returns
    -------
    Ledger

    Raises
    ------
    EEGArchiveError
        If there are no samples, or EDF can't say what the state has.

    Notes
    -----
    A format whose package isn't installed, or whose library fails on this recording, is left out, and told. Times are
    those of a file that the system has in memory. An archive's writing has its check and its sync to the disk in it,
    as `convert` does them; the others do neither.
    """
    if repeats < 1:
        raise ValueError(f"repeats = {repeats}; at least 1")
    if not isinstance(archive, Archive):
        with open_archive(archive) as opened:
            return ledger(opened, repeats=repeats, progress=progress)
    if not sum(map(len, archive.signals.values())):
        raise EEGArchiveError(f"{archive.path}: has no samples, so there is nothing to measure")
    with tempfile.TemporaryDirectory(prefix="eegarchive-ledger-") as folder:
        return _Measurement(archive, Path(folder), repeats, progress or (lambda count: None)).run()


def bytes_to_measure(archive: Archive, repeats: int = DEFAULT_REPEATS) -> int:
    """How many bytes `progress` will be told of in all, about."""
    return bytes_to_export(archive, _edf_name(archive)) * 8 * (2 * repeats + 3)


def _edf_name(archive: Archive) -> str:
    is_bdf = str(archive.provenance["source_kind"]).startswith("BDF")
    return "night.bdf" if is_bdf else "night.edf"


class _Measurement:
    def __init__(self, archive: Archive, folder: Path, repeats: int, progress: Progress) -> None:
        self._archive = archive
        self._folder = folder
        self._repeats = repeats
        self._progress = progress
        self._edf = emptied(folder / "edf") / _edf_name(archive)
        self._costs: list[Cost] = []
        self._left_out: dict[str, str] = {}

    def run(self) -> Ledger:
        """Measure one format after the other."""
        report = self._export()
        source = Source(self._edf)
        window = min(WINDOW_SECONDS, source.seconds)
        limits = _Limits(self._archive, source, report)
        self._measure_edf(source, window, limits)
        self._try(
            "FIF", "mne", source, window, Format("FIF", formats.write_fif, formats.open_fif, limits.fif())
        )
        zarr = Format("Zarr", formats.write_zarr, formats.open_zarr, limits.zarr())
        self._try("Zarr", "zarr", source, window, zarr)
        for codec in CODECS:
            self._costs.append(self._measured(formats.archive_format(codec), source, window))
        self._measure_features(source, window)
        card = _card(self._archive, source)
        shown = self._archive.path + (f"@{self._archive.tag}" if self._archive.tag else "")
        return Ledger(
            shown,
            report.kind,
            len(source.signals),
            source.num_samples,
            source.seconds,
            self._repeats,
            window,
            tuple(self._costs),
            self._left_out,
            card,
        )

    def _export(self) -> ExportReport:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OddInput)
            return export_edf(self._archive, self._edf, overwrite=True)

    def _told(self) -> None:
        self._progress(self._edf.stat().st_size)

    def _measure_edf(self, source: Source, window: float, limits: _Limits) -> None:
        """EDF is written by `export_edf`, and read by MNE."""
        missing = _missing("mne")
        if missing:
            self._left_out["EDF, reading"] = missing
        form = Format("EDF", lambda *_: self._export(), None if missing else formats.open_edf, limits.edf())
        arguments = (source, self._edf.parent, self._repeats, window, self._told)
        try:
            self._costs.append(measure(form, *arguments, is_source=True))
        except (EEGArchiveError, OSError):
            raise
        except Exception as error:  # what MNE raises of an EDF that it can't read may be anything
            self._left_out["EDF, reading"] = _reason("mne", error)
            self._costs.append(measure(replace(form, open=None), *arguments))

    def _try(self, name: str, package: str, source: Source, window: float, form: Format) -> None:
        """Measure what needs a package, if that is there and can hold the recording."""
        missing = _missing(package)
        if missing:
            self._left_out[name] = missing
            return
        try:
            self._costs.append(self._measured(form, source, window))
        except OSError:
            raise
        except Exception as error:  # as above
            self._left_out[name] = _reason(package, error)

    def _measured(self, form: Format, source: Source, window: float) -> Cost:
        folder = emptied(self._folder / "other")
        return measure(form, source, folder, self._repeats, window, self._told)

    def _measure_features(self, source: Source, window: float) -> None:
        missing = _missing("pyarrow")
        if missing:
            self._left_out["Parquet features"] = missing
            return
        folder = emptied(self._folder / "other")
        columns = formats.features_of(source, window)
        times = measure_features(columns, folder, self._repeats, self._told)
        what = f"{len(columns)} columns of {counted(len(columns['window']), 'window')}, no samples"
        self._costs.append(Cost("Parquet features", *times, size_of(folder), None, what))


def _missing(package: str) -> str:
    """Why a package can't be used; empty if it can."""
    import importlib

    try:
        importlib.import_module(package)
    except ImportError as error:
        return f"{package} isn't installed ({error})"
    if package == "zarr" and int(provenance.version_of("zarr").partition(".")[0]) < 3:
        return f"zarr {provenance.version_of('zarr')} is older than 3"
    return ""


def _reason(package: str, error: Exception) -> str:
    text = describe(error) if isinstance(error, EEGArchiveError | OSError) else str(error).partition("\n")[0]
    return f"{package}: {type(error).__name__}: {text}"


class _Limits:
    """What formats can't hold of this recording."""

    def __init__(self, archive: Archive, source: Source, report: ExportReport) -> None:
        self._gaps = max(0, len(archive.segments) - 1)
        self._rates = len(source.groups)
        rest = len(source.signals) - len(source.groups[0].signals)
        self._others = f"{counted(rest, 'signal')} resampled to {source.groups[0].rate:.6g} Hz"
        self._annotations = len(archive.annotations)
        self._epochs = len(archive.epochs)
        self._quantised = len(report.quantised)

    def edf(self) -> str:
        """EDF: digital samples, annotations."""
        held = [f"{self._quantised} computed signals quantised"] * bool(self._quantised)
        held += [f"no {counted(self._epochs, 'epoch')}"] * bool(self._epochs)
        return _listed([*held, "no freezes, caches, checksums"])

    def fif(self) -> str:
        """FIF: float32, one sampling rate, no gaps."""
        held = [self._others] * (self._rates > 1)
        held += [f"{counted(self._gaps, 'gap')} closed"] * bool(self._gaps)
        return _listed(["float32", *held, "no digital samples, EDF header"])

    def zarr(self) -> str:
        """Arrays of samples alone."""
        lost = [f"no {counted(self._annotations, 'annotation')}"] * bool(self._annotations)
        lost += [f"{counted(self._gaps, 'gap')} closed"] * bool(self._gaps)
        return _listed(["float32", *lost, "no digital samples, EDF header"])


def _listed(parts: list[str]) -> str:
    return "; ".join(parts)


def _card(archive: Archive, source: Source) -> dict[str, str]:
    """The provenance card: of the recording, then of this measurement."""
    known = archive.provenance
    versions = provenance.versions()
    return {
        "archive": Path(archive.path).name + (f"@{archive.tag}" if archive.tag else ""),
        "state": archive.digest[:_DIGITS],
        "source": str(known["source_name"]),
        "source SHA-256": str(known["source_sha256"])[:_DIGITS],
        "made": f"{known['created']} by {known['created_by']}",
        "commit": _short(str(known["git_commit"])),
        **({"seed": str(known["seed"])} if "seed" in known else {}),
        "operations": str(len(history(archive))),
        "measured": provenance.now(),
        "python": versions["python"],
        **{name: versions[name] for name in ("eegarchive", "numpy", "h5py", "hdf5")},
        **{name: provenance.version_of(name) for name in _PEERS},
        "machine": f"{platform.machine()}, {counted(num_cores(), 'core')}",
        "commit now": _short(provenance.git_commit()),
    }


def _short(commit: str) -> str:
    return commit if " " in commit else commit[:_DIGITS]
