"""Freezes that travel: detach one as a small file, attach it elsewhere, pack it into one archive again."""

from __future__ import annotations

from eegarchive.exchange.attaching import AttachReport, attach
from eegarchive.exchange.detaching import DetachReport, detach
from eegarchive.exchange.links import links_out
from eegarchive.exchange.packing import PackReport, pack

__all__ = ["AttachReport", "DetachReport", "PackReport", "attach", "detach", "links_out", "pack"]
