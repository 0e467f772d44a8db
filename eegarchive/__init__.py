"""eegarchive: one EEG or sleep recording session, one HDF5 file."""

from eegarchive._version import __version__
from eegarchive.archive import Archive
from eegarchive.archive import open_archive as open
from eegarchive.batch import BatchReport, convert_many
from eegarchive.check import Finding
from eegarchive.convert import ConvertReport, convert
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
from eegarchive.export import export
from eegarchive.storage.locks import Locked
from eegarchive.summary import summarize
from eegarchive.verify import verify

__all__ = [
    "Archive",
    "BatchReport",
    "ConvertReport",
    "EDFError",
    "EEGArchiveError",
    "EditableArchive",
    "Finding",
    "InvalidArchive",
    "Locked",
    "NotInArchive",
    "OddInput",
    "TargetExists",
    "ThawReport",
    "UnsafeArchive",
    "UnsupportedVersion",
    "VerificationFailed",
    "__version__",
    "convert",
    "convert_many",
    "edit",
    "export",
    "open",
    "summarize",
    "verify",
]
