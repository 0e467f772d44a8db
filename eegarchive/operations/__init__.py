"""What changes a state: each operation makes another draft of one, and touches no file."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """A number of things: 1 epoch, 2 epochs."""
    return f"{count} {what}{'' if count == 1 else 's'}"
