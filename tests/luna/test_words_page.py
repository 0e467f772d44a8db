"""docs/luna.md has all words, with their parameters."""

from __future__ import annotations

import re

import pytest
from docs.pages import CHECKOUT

from eegarchive.luna.words import WORDS

PAGE = (CHECKOUT / "docs" / "luna.md").read_text(encoding="utf-8")


def rows(width: int) -> dict[str, str]:
    """The last cells of the tables of words that have so many columns, by word."""
    section = PAGE[PAGE.index("\n## Words\n") : PAGE.index("\n## Differences\n")]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[-1] for row in cells if len(row) == width}


def test_the_page_has_all_words_and_no_others() -> None:
    assert list(rows(3)) == list(dict.fromkeys(rows(3)))
    assert set(rows(3)) == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_the_page_has_their_parameters(name: str) -> None:
    word = WORDS[name]
    assert set(re.findall(r"`([^`]+)`", rows(3)[name])) == word.parameters
    assert set(re.findall(r"`([^`]+)`", rows(2).get(name, ""))) == word.unsupported
    assert f"| `{name}` | {word.summary} |" in PAGE
