"""What can go wrong, one class for each thing a caller may want to catch."""

from __future__ import annotations


class EEGArchiveError(Exception):
    """Base of every error this package raises on purpose.

    The message is one line that says what is wrong, where, and what to do.
    """


class EDFError(EEGArchiveError, ValueError):
    """The input can't be understood as EDF or BDF. Nothing was written."""


class InvalidArchive(EEGArchiveError, ValueError):
    """The file isn't an archive, or breaks the specification. Run `eegarchive verify`."""


class UnsafeArchive(InvalidArchive):
    """The file holds something a reader must not touch. Do not open it with other tools."""


class UnsupportedVersion(InvalidArchive):
    """The file's format is newer than this reader. Upgrade eegarchive."""


class NotInArchive(EEGArchiveError, KeyError):
    """No such signal, freeze or table; the message lists what there is."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class StaleValue(NotInArchive):
    """The cache has the value, but it doesn't hold for this state any more; the message says why."""


class MissingBase(EEGArchiveError):
    """What a file needs beside it isn't there, or isn't the right one; the message says what is needed."""


class TargetExists(EEGArchiveError, FileExistsError):
    """The output is there already and overwriting was not asked for."""


class ScriptError(EEGArchiveError, ValueError):
    """A Luna script can't be run as it is written; the message says in which line. Nothing was changed."""


class VerificationFailed(EEGArchiveError):
    """What was read back from disk is not what went in. The new file was removed."""


class OddInput(UserWarning):
    """Something in the input bends its standard; it was kept as it is."""


def describe(error: EEGArchiveError | OSError) -> str:
    """One line for people: our own message, or the system's with the file first."""
    if isinstance(error, EEGArchiveError) or not error.strerror:
        return str(error).partition("\n")[0]
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
