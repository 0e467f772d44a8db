"""Files of values: Luna's long tables, CSV, Parquet and JSON, read and written.

Files come from elsewhere: what can't be understood is refused with file and line, never half read.
"""

from __future__ import annotations

from eegarchive.cache.files.luna import luna_lines
from eegarchive.cache.files.reading import READ_FORMATS, read_values
from eegarchive.cache.files.writing import WRITTEN_FORMATS, dump_text, write_values

__all__ = ["READ_FORMATS", "WRITTEN_FORMATS", "dump_text", "luna_lines", "read_values", "write_values"]
