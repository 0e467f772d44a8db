"""eegarchive: one EEG or sleep recording session, one HDF5 file.

What is named here is imported when it is first used, so that a command loads no more than it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from eegarchive._version import __version__

if TYPE_CHECKING:
    from eegarchive.accounting import Ledger as Ledger
    from eegarchive.accounting import ledger as ledger
    from eegarchive.anonymizing import AnonymizeReport as AnonymizeReport
    from eegarchive.anonymizing import anonymize as anonymize
    from eegarchive.archive import (
        Archive as Archive,
    )
    from eegarchive.archive import (
        open_archive as open,
    )
    from eegarchive.archive import read_raw as read_raw
    from eegarchive.batch import (
        BatchReport as BatchReport,
    )
    from eegarchive.batch import (
        convert_many as convert_many,
    )
    from eegarchive.bridges.braindecode import from_braindecode as from_braindecode
    from eegarchive.bridges.braindecode import to_braindecode as to_braindecode
    from eegarchive.bridges.export import export as export
    from eegarchive.cache import Cache as Cache
    from eegarchive.cache import Caches as Caches
    from eegarchive.cache import Computed as Computed
    from eegarchive.cache import Entry as Entry
    from eegarchive.cache import Stratified as Stratified
    from eegarchive.check_manifests import check_manifest as check_manifest
    from eegarchive.collecting import CollectReport as CollectReport
    from eegarchive.collecting import collect as collect
    from eegarchive.compaction import (
        CompactReport as CompactReport,
    )
    from eegarchive.compaction import (
        compact as compact,
    )
    from eegarchive.compaction import (
        recode as recode,
    )
    from eegarchive.conversion import (
        ConvertReport as ConvertReport,
    )
    from eegarchive.conversion import (
        convert as convert,
    )
    from eegarchive.crates import CrateReport as CrateReport
    from eegarchive.crates import crate as crate
    from eegarchive.description import Category as Category
    from eegarchive.differences import (
        Difference as Difference,
    )
    from eegarchive.differences import (
        diff as diff,
    )
    from eegarchive.editing import AddRawReport as AddRawReport
    from eegarchive.editing import (
        EditableArchive as EditableArchive,
    )
    from eegarchive.editing import (
        ThawReport as ThawReport,
    )
    from eegarchive.editing import (
        edit as edit,
    )
    from eegarchive.errors import (
        EDFError as EDFError,
    )
    from eegarchive.errors import (
        EEGArchiveError as EEGArchiveError,
    )
    from eegarchive.errors import (
        InvalidArchive as InvalidArchive,
    )
    from eegarchive.errors import MissingBase as MissingBase
    from eegarchive.errors import (
        NotInArchive as NotInArchive,
    )
    from eegarchive.errors import (
        OddInput as OddInput,
    )
    from eegarchive.errors import ScriptError as ScriptError
    from eegarchive.errors import StaleValue as StaleValue
    from eegarchive.errors import (
        TargetExists as TargetExists,
    )
    from eegarchive.errors import (
        UnsafeArchive as UnsafeArchive,
    )
    from eegarchive.errors import (
        UnsupportedVersion as UnsupportedVersion,
    )
    from eegarchive.errors import (
        VerificationFailed as VerificationFailed,
    )
    from eegarchive.exchange import AttachReport as AttachReport
    from eegarchive.exchange import DetachReport as DetachReport
    from eegarchive.exchange import PackReport as PackReport
    from eegarchive.exchange import attach as attach
    from eegarchive.exchange import detach as detach
    from eegarchive.exchange import links_out as links_out
    from eegarchive.exchange import pack as pack
    from eegarchive.exporting import (
        ExportReport as ExportReport,
    )
    from eegarchive.exporting import (
        export_annotations as export_annotations,
    )
    from eegarchive.findings import Finding as Finding
    from eegarchive.lineage import (
        Operation as Operation,
    )
    from eegarchive.lineage import (
        history as history,
    )
    from eegarchive.luna.runner import Ran as Ran
    from eegarchive.luna.runner import RunReport as RunReport
    from eegarchive.luna.runner import run as run
    from eegarchive.manifests import manifest as manifest
    from eegarchive.plotting import plot as plot
    from eegarchive.replaying import ReplayReport as ReplayReport
    from eegarchive.replaying import replay as replay
    from eegarchive.scrubbing import Anonymization as Anonymization
    from eegarchive.storage.locks import Locked as Locked
    from eegarchive.summary import summarize as summarize
    from eegarchive.verification import verify as verify
    from eegarchive.windowing import WindowInfo as WindowInfo
    from eegarchive.windowing import Windows as Windows
    from eegarchive.windowing import windows as windows

#: Where each public name is defined, and under which name if it is another.
_HOMES = {
    "AddRawReport": "editing",
    "AttachReport": "exchange",
    "Anonymization": "scrubbing",
    "AnonymizeReport": "anonymizing",
    "Archive": "archive",
    "BatchReport": "batch",
    "Cache": "cache",
    "Caches": "cache",
    "Category": "description",
    "CollectReport": "collecting",
    "CompactReport": "compaction",
    "Computed": "cache",
    "ConvertReport": "conversion",
    "CrateReport": "crates",
    "DetachReport": "exchange",
    "Difference": "differences",
    "EDFError": "errors",
    "EEGArchiveError": "errors",
    "EditableArchive": "editing",
    "Entry": "cache",
    "ExportReport": "exporting",
    "Finding": "findings",
    "InvalidArchive": "errors",
    "Ledger": "accounting",
    "Locked": "storage.locks",
    "MissingBase": "errors",
    "NotInArchive": "errors",
    "OddInput": "errors",
    "Operation": "lineage",
    "ReplayReport": "replaying",
    "PackReport": "exchange",
    "Ran": "luna.runner",
    "RunReport": "luna.runner",
    "ScriptError": "errors",
    "StaleValue": "errors",
    "Stratified": "cache",
    "TargetExists": "errors",
    "ThawReport": "editing",
    "UnsafeArchive": "errors",
    "UnsupportedVersion": "errors",
    "VerificationFailed": "errors",
    "WindowInfo": "windowing",
    "Windows": "windowing",
    "check_manifest": "check_manifests",
    "anonymize": "anonymizing",
    "attach": "exchange",
    "collect": "collecting",
    "compact": "compaction",
    "convert": "conversion",
    "convert_many": "batch",
    "crate": "crates",
    "detach": "exchange",
    "diff": "differences",
    "edit": "editing",
    "export": "bridges.export",
    "export_annotations": "exporting",
    "from_braindecode": "bridges.braindecode",
    "history": "lineage",
    "ledger": "accounting",
    "links_out": "exchange",
    "manifest": "manifests",
    "open": "archive:open_archive",
    "pack": "exchange",
    "plot": "plotting",
    "read_raw": "archive",
    "recode": "compaction",
    "replay": "replaying",
    "run": "luna.runner",
    "summarize": "summary",
    "to_braindecode": "bridges.braindecode",
    "verify": "verification",
    "windows": "windowing",
}

__all__ = [
    "AddRawReport",
    "Anonymization",
    "AnonymizeReport",
    "Archive",
    "AttachReport",
    "BatchReport",
    "Cache",
    "Caches",
    "Category",
    "CollectReport",
    "CompactReport",
    "Computed",
    "ConvertReport",
    "CrateReport",
    "DetachReport",
    "Difference",
    "EDFError",
    "EEGArchiveError",
    "EditableArchive",
    "Entry",
    "ExportReport",
    "Finding",
    "InvalidArchive",
    "Ledger",
    "Locked",
    "MissingBase",
    "NotInArchive",
    "OddInput",
    "Operation",
    "PackReport",
    "Ran",
    "ReplayReport",
    "RunReport",
    "ScriptError",
    "StaleValue",
    "Stratified",
    "TargetExists",
    "ThawReport",
    "UnsafeArchive",
    "UnsupportedVersion",
    "VerificationFailed",
    "WindowInfo",
    "Windows",
    "__version__",
    "anonymize",
    "attach",
    "check_manifest",
    "collect",
    "compact",
    "convert",
    "convert_many",
    "crate",
    "detach",
    "diff",
    "edit",
    "export",
    "export_annotations",
    "from_braindecode",
    "history",
    "ledger",
    "links_out",
    "manifest",
    "open",
    "pack",
    "plot",
    "read_raw",
    "recode",
    "replay",
    "run",
    "summarize",
    "to_braindecode",
    "verify",
    "windows",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, own = _HOMES[name].partition(":")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), own or name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
