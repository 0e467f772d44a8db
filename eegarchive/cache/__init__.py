"""Derived values of a state: typed, stratified, and with what they were computed from."""

from eegarchive.cache.caches import Caches
from eegarchive.cache.calls import Computed
from eegarchive.cache.computing import Cache
from eegarchive.cache.store import CacheStore
from eegarchive.cache.stratified import Stratified
from eegarchive.cache.view import Entry

__all__ = ["Cache", "CacheStore", "Caches", "Computed", "Entry", "Stratified"]
