"""eegarchive: one EEG or sleep recording session, one HDF5 file."""

from eegarchive._version import __version__
from eegarchive.archive import Archive
from eegarchive.archive import open_archive as open
from eegarchive.batch import BatchReport, convert_many
from eegarchive.check import Finding
from eegarchive.compact import CompactReport, compact, recode
from eegarchive.convert import ConvertReport, convert
from eegarchive.diff import Difference, diff
from eegarchive.editing import EditableArchive, ThawReport, edit
from eegarchive.errors import (
    EDFError,
    EEGArchiveError,
    InvalidArchive,
    NotInArchive,
    OddInput,
    TargetExists,
    UnsafeArchive,
    UnsupportedVersion,
    VerificationFailed,
)
from eegarchive.export import ExportReport, export, export_annotations
from eegarchive.history import Operation, history
from eegarchive.storage.locks import Locked
from eegarchive.summary import summarize
from eegarchive.verify import verify

__all__ = [
    "Archive",
    "BatchReport",
    "CompactReport",
    "ConvertReport",
    "Difference",
    "EDFError",
    "EEGArchiveError",
    "EditableArchive",
    "ExportReport",
    "Finding",
    "InvalidArchive",
    "Locked",
    "NotInArchive",
    "OddInput",
    "Operation",
    "TargetExists",
    "ThawReport",
    "UnsafeArchive",
    "UnsupportedVersion",
    "VerificationFailed",
    "__version__",
    "compact",
    "convert",
    "convert_many",
    "diff",
    "edit",
    "export",
    "export_annotations",
    "history",
    "open",
    "recode",
    "summarize",
    "verify",
]
