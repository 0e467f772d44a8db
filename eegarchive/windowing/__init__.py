"""Windows of recordings for training: a map-style dataset over archives, cut when read or prepared beforehand."""

from eegarchive.windowing.dataset import Windows, windows
from eegarchive.windowing.targets import WindowInfo

__all__ = ["WindowInfo", "Windows", "windows"]
