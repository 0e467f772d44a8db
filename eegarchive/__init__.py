"""eegarchive: one EEG or sleep recording session, one HDF5 file."""

from eegarchive.archive import Archive
from eegarchive.archive import open_archive as open
from eegarchive.convert import ConvertReport, convert
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

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "ConvertReport",
    "EDFError",
    "EEGArchiveError",
    "InvalidArchive",
    "NotInArchive",
    "OddInput",
    "TargetExists",
    "UnsafeArchive",
    "UnsupportedVersion",
    "VerificationFailed",
    "convert",
    "export",
    "open",
]
