"""An archive without what says who was recorded: a new file, as if the scrubbed recording had been converted."""

from eegarchive.anonymizing.archives import AnonymizeReport, anonymize
from eegarchive.anonymizing.recordings import review_edf

__all__ = ["AnonymizeReport", "anonymize", "review_edf"]
