"""One table out of a cache of many archives."""

from eegarchive.collecting.cohort import Collected, CollectReport, collect
from eegarchive.collecting.sources import Source, sources_in

__all__ = ["CollectReport", "Collected", "Source", "collect", "sources_in"]
