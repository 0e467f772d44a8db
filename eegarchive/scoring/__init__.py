"""Annotations in files of their own: sleep scorings, events, notes; read from and written to six formats.

Files come from elsewhere: what can't be understood is refused with file and line, never half read.
"""

from __future__ import annotations

from eegarchive.scoring.events import Events, ScoringError
from eegarchive.scoring.formats import FORMATS, read_events, write_events

__all__ = ["FORMATS", "Events", "ScoringError", "read_events", "write_events"]
