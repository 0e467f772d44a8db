"""A new file of an exchange: written whole, sealed, checked as it lies on the disk, and only then given its name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from eegarchive import digest
from eegarchive.errors import VerificationFailed
from eegarchive.layout import ARCHIVE_DIGEST
from eegarchive.storage import objects, seal
from eegarchive.storage.files import drop_from_memory, named_failures, new_file
from eegarchive.verification import check_contents


@contextlib.contextmanager
def checked_file(target: Path, overwrite: bool, base: Path | None = None) -> Iterator[h5py.File]:
    """Yield the root of a new file; at the end it gets its digest and its seal, is checked, and appears.

    Of a base, which is only read, the check takes the samples' digests as they stand there.

    Raises
    ------
    TargetExists
        If the target is there and `overwrite` isn't set.
    VerificationFailed
        If what was read back isn't what the format, and its digests, say. Nothing is kept then.
    """
    with new_file(target, overwrite) as temporary:
        with named_failures(target), h5py.File(objects.create_file(temporary)) as h5:
            yield h5
            objects.write_attribute(h5, ARCHIVE_DIGEST, digest.archive_digest(h5))
        seal.append(temporary)
        drop_from_memory(temporary)
        for finding in check_contents(temporary, locking=False, base=base, trust_base=True):
            if finding.severity == "error":
                raise VerificationFailed(
                    f"{target}: in the file that was written, {finding.path}: {finding.message}; it was removed. "
                    "Run `eegarchive verify` on what it was made from"
                )
