"""Names, types, versions and table columns of the format: the only place they exist.

The normative text is `spec/`; clause numbers in this package refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FORMAT = "eegarchive"
#: What the root of a detached freeze has in its place (spec X-1).
DETACHED_FORMAT = "eegarchive-detached"
FORMAT_VERSION = "1.0"
FORMAT_MAJOR = 1
SUFFIX = ".h5"

#: HDF5 library version bounds of every file we write (spec C-3).
LIBVER = ("v108", "v110")

TABLE_CHUNK_BYTES = 262_144
#: Datasets up to this size are stored in their object header (spec C-9).
MAX_COMPACT_BYTES = 4_096

DATA = "data"
EDF = "edf"
EDF_HEADER = "header"
EDF_TAIL = "tail"
EDF_ANNOTATIONS = "annotations"
EDF_CHANNELS = "channels"
EDF_WARNINGS = "warnings"
FREEZES = "freezes"
SOURCE_FREEZE = "source"
#: Tags that no freeze made by a user can have.
RESERVED_TAGS = (SOURCE_FREEZE, "remove")
CACHE = "cache"
WINDOWS = "windows"
HISTORY = "history"
SIGNALS = "signals"

ColumnType = Literal["f8", "i8", "i4", "u1", "str"]
AttributeType = Literal["str", "i8", "f8"]


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, and its type on disk."""

    name: str
    type: ColumnType


#: The members of a state beside /signals (spec T-4 to T-7, P-1), in the order of the state digest.
STATE_TABLES: dict[str, tuple[Column, ...]] = {
    "segments": (Column("start", "f8"), Column("duration", "f8")),
    "annotations": (
        Column("onset", "f8"),
        Column("duration", "f8"),
        Column("text", "str"),
        Column("kind", "str"),
        Column("channel", "str"),
        Column("set", "str"),
    ),
    "epochs": (
        Column("epoch", "i4"),
        Column("start", "f8"),
        Column("duration", "f8"),
        Column("masked", "u1"),
    ),
    "pieces": (
        Column("signal", "str"),
        Column("data", "str"),
        Column("start", "i8"),
        Column("stop", "i8"),
    ),
}
PIECES = "pieces"
SEGMENTS = "segments"
ANNOTATIONS = "annotations"
EPOCHS = "epochs"

HISTORY_COLUMNS = (
    Column("operation", "str"),
    Column("parameters", "str"),
    Column("time", "str"),
    Column("versions", "str"),
    Column("digest_before", "str"),
    Column("digest_after", "str"),
)
#: What a cache has beside its values (spec H-7, H-8).
CACHE_ORIGINS = "origins"
CACHE_SOURCES = "sources"
CACHE_ORIGIN_COLUMNS = (
    Column("state", "str"),
    Column("freeze", "str"),
    Column("basis", "str"),
    Column("operation", "str"),
    Column("function", "str"),
    Column("code", "str"),
    Column("parameters", "str"),
    Column("versions", "str"),
    Column("time", "str"),
)
CACHE_SOURCE_COLUMNS = (
    Column("state", "str"),
    Column("signal", "str"),
    Column("label", "str"),
    Column("source", "str"),
    Column("extent", "str"),
)
#: Types of values and levels, and how each is stored.
CACHE_TYPES: dict[str, ColumnType] = {"num": "f8", "int": "i8", "text": "str", "bool": "u1"}
CACHE_VECTORS = "_vectors"
CACHE_ELEMENTS = "_elements"
#: Columns of a cache's tables around those that are factors (spec H-3, H-4).
CACHE_FIRST_COLUMNS = ("variable", "factors")
CACHE_VALUE_COLUMNS = ("value", "missing", "origin")
CACHE_VECTOR_COLUMNS = ("start", "stop", "origin")
#: A table of a cache isn't larger than this, text padded to its column's width.
MAX_CACHE_TABLE_BYTES = 2**31
#: What a set of windows has (spec W-2 to W-6).
WINDOW_SAMPLES = "samples"
WINDOW_ROWS = "rows"
WINDOW_CHANNELS = "channels"
WINDOW_ATTRIBUTES: dict[str, AttributeType] = {
    "state": "str",
    "sampling_rate": "f8",
    "parameters": "str",
    "time": "str",
    "versions": "str",
    "contents_digest": "str",
}
#: Columns of a set's rows before `target`, and how that is stored.
WINDOW_COLUMNS = (
    Column("i", "i8"),
    Column("start", "i8"),
    Column("stop", "i8"),
    Column("onset", "f8"),
)
WINDOW_TARGET = "target"
WINDOW_TARGET_TYPES: tuple[ColumnType, ...] = ("i8", "f8", "u1", "str")
WINDOW_CHANNEL_COLUMNS = (
    Column("name", "str"),
    Column("label", "str"),
    Column("kind", "str"),
    Column("units", "str"),
    Column("scale_factor", "f8"),
    Column("add_offset", "f8"),
)
EDF_CHANNEL_COLUMNS = (
    Column("index", "i4"),
    Column("name", "str"),
    Column("is_annotation", "u1"),
    Column("samples_per_record", "i4"),
)
EDF_WARNING_COLUMNS = (Column("code", "str"), Column("message", "str"))

#: Every table by its path below the root or below a freeze.
TABLES: dict[str, tuple[Column, ...]] = {
    **STATE_TABLES,
    HISTORY: HISTORY_COLUMNS,
    f"{EDF}/{EDF_CHANNELS}": EDF_CHANNEL_COLUMNS,
    f"{EDF}/{EDF_WARNINGS}": EDF_WARNING_COLUMNS,
}

#: Attributes every signal has (spec S-4).
SIGNAL_ATTRIBUTES: dict[str, AttributeType] = {
    "label": "str",
    "kind": "str",
    "units": "str",
    "sampling_rate": "f8",
    "scale_factor": "f8",
    "add_offset": "f8",
}
#: Attributes of a signal that stands in an EDF header, as the header has them (spec S-5).
EDF_SIGNAL_ATTRIBUTES: dict[str, AttributeType] = {
    "transducer": "str",
    "physical_dimension": "str",
    "physical_minimum": "str",
    "physical_maximum": "str",
    "digital_minimum": "str",
    "digital_maximum": "str",
    "prefiltering": "str",
    "samples_per_record": "i8",
    "reserved": "str",
}
SAMPLES_DIGEST = "samples_sha256"
BYTES_DIGEST = "sha256"
STATE_DIGEST = "digest"
CONTENTS_DIGEST = "contents_digest"
ARCHIVE_DIGEST = "archive_digest"
CLOCK_START = "recording_start"
#: The root of an archive out of which people were taken says so (spec R-10).
ANONYMIZED = "anonymized"
#: Fields of a description, and what says of what type and levels one is (spec R-4, R-7).
DESCRIPTION_PREFIX = "attr."
TYPE_PREFIX = "attr_type."
LEVELS_PREFIX = "attr_levels."

#: Attributes the root must have (spec C-5).
ROOT_ATTRIBUTES: dict[str, AttributeType] = {
    "format": "str",
    "format_version": "str",
    "created": "str",
    "created_by": "str",
    "source_name": "str",
    "source_size": "i8",
    "source_sha256": "str",
    "source_kind": "str",
    "source_digest": "str",
    "digest": "str",
    "archive_digest": "str",
    "git_commit": "str",
}
FREEZE_ATTRIBUTES: dict[str, AttributeType] = {
    "created": "str",
    "note": "str",
    "digest": "str",
    "contents_digest": "str",
}

#: Attributes that the root of a detached freeze has too (spec X-2).
DETACHED_ATTRIBUTES: dict[str, AttributeType] = {"tag": "str", "base_name": "str"}
#: What an archive says of a freeze that lies in a detached file: `attached.TAG`, on the group of freezes (spec X-9).
ATTACHED_PREFIX = "attached."

#: Types a stored signal may have: digital integers, or computed floating point (spec S-2).
SAMPLE_TYPES = ("<i2", "<i4", "<f4", "<f8")

#: HDF5 filters a reader accepts (spec G-5).
FILTER_SHUFFLE, FILTER_DEFLATE, FILTER_FLETCHER32 = 2, 1, 3
FILTER_BITSHUFFLE = 32008

#: Bounds of what a reader opens (spec G-6).
MAX_CHUNK_BYTES = 64 * 2**20
MAX_EXPANSION = 2_000
SMALL_ENOUGH_BYTES = 64 * 2**20
MAX_NAME_BYTES = 255
#: Times of segments: more than thirty thousand years.
MAX_SECONDS = 1e12
#: Members of a group, attributes of an object, and groups in each other.
MAX_MEMBERS = 100_000
MAX_ATTRIBUTES = 10_000
MAX_DEPTH = 16
#: What a freeze may be called (spec F-1).
TAG_PATTERN = r"[A-Za-z0-9._-]{1,64}"
