"""Taking people out of a recording: what of its texts stays, and its EDF or BDF without the rest."""

from eegarchive.scrubbing.headers import OLDEST
from eegarchive.scrubbing.policy import Anonymization
from eegarchive.scrubbing.review import Item, Review
from eegarchive.scrubbing.stream import scrubbed_edf, scrubbed_stream, tell_tail
from eegarchive.scrubbing.texts import TextRule

__all__ = [
    "OLDEST",
    "Anonymization",
    "Item",
    "Review",
    "TextRule",
    "scrubbed_edf",
    "scrubbed_stream",
    "tell_tail",
]
