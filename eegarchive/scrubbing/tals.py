"""Annotation bytes of an EDF+ record, with other texts: onsets, durations and the record's length stay."""

from __future__ import annotations

import re

import numpy as np

from eegarchive import tal
from eegarchive.scrubbing.review import Review
from eegarchive.scrubbing.texts import TextRule

_TOKEN = re.compile(rb"([^\0]+)(\0*)")
_TAL = re.compile(rb"([+-]?\d+(?:\.\d*)?)(?:\x15(\d*(?:\.\d*)?))?\x14(.*)", re.DOTALL)
#: A record that has nothing but its time.
_PLAIN = re.compile(rb"[+-]\d+(?:\.\d*)?\x14\x14\0*")
#: Stands for a TAL that can't be read, so that it is still one.
_UNREADABLE = b"?"


def scrubbed_record(raw: bytes, rule: TextRule, review: Review) -> bytes:
    """One record's bytes of an annotation signal, as many as they were; NULs follow the shorter texts."""
    if _PLAIN.fullmatch(raw):
        return raw
    found = b"".join(
        _scrubbed(match[1], rule, review) + (b"\0" if match[2] else b"") for match in _TOKEN.finditer(raw)
    )
    return found.ljust(len(raw), b"\0")


def _scrubbed(token: bytes, rule: TextRule, review: Review) -> bytes:
    """One TAL without its NUL."""
    match = _TAL.fullmatch(token)
    stated = (
        [float(number) for number in (match[1], match[2]) if number not in (None, b"", b".")] if match else []
    )
    if match is None or np.isinf(stated).any() or len(match[3]) > tal.MAX_TEXT_BYTES:
        review.removed("unreadable annotation", _decode(token))
        return _UNREADABLE
    texts = match[3].split(b"\x14")
    duration = b"" if match[2] is None else b"\x15" + match[2]
    return match[1] + duration + b"\x14" + b"\x14".join(_text(text, rule, review) for text in texts)


def _text(raw: bytes, rule: TextRule, review: Review) -> bytes:
    if not raw:
        return raw
    text = _decode(raw)
    new = rule.text(text)
    review.changed("annotation", text, new)
    if new == text:
        return raw
    return raw.partition(b"@@")[0] if text.startswith(f"{new}@@") else new.encode("ascii")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
