"""Commands and parameters are known, or refused before anything runs."""

from __future__ import annotations

import importlib.util

import pytest

from eegarchive import ScriptError
from eegarchive.luna.script import parse
from eegarchive.luna.words import WORDS, check

#: What issue and page name.
PROMISED = (
    *(
        "FREEZE",
        "THAW",
        "CACHE",
        "EPOCH",
        "MASK",
        "RE",
        "RESTRUCTURE",
        "COPY",
        "SIGNALS",
        "RENAME",
        "RESAMPLE",
    ),
    *(
        "FILTER",
        "TAG",
        "DESC",
        "HEADERS",
        "MATRIX",
        "DUMP-MASK",
        "PSD",
        "STATS",
        "CHEP-MASK",
        "CHEP",
        "SPINDLES",
    ),
    *("ANNOTS", "DROP-ANNOTS", "WRITE"),
)


def test_all_promised_commands_are_there() -> None:
    assert sorted(WORDS) == sorted(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_each_command_has_its_function(name: str) -> None:
    word = WORDS[name]
    assert importlib.util.find_spec(f"eegarchive.luna.commands.{word.module}") is not None
    assert callable(word.load())


def test_no_parameter_is_both_taken_and_refused() -> None:
    for word in WORDS.values():
        assert not word.parameters & word.unsupported, word.name


def test_the_pages_commands_pass() -> None:
    check(
        parse(
            """
            EPOCH & FREEZE f1 & TAG STG/N2
            MASK ifnot=N2 & RE & PSD sig=C3 spectrum dB
            THAW tag=f1 preserve-cache & THAW f1 remove
            FREEZE tag=f2 & CACHE cache=c record=PSD,PSD,CH,B
            """
        )
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RE\nMASC if=N2", "line 2: MASC: no such command; did you mean MASK?"),
        ("IF x\nRE\nFI", "line 1: IF: conditions aren't supported; write a script for each case"),
        ("PSD sg=C3", "line 1: PSD: no such parameter 'sg'; did you mean sig?"),
        ("PSD sig=C3 SPECTRUM", "line 1: PSD: no such parameter 'SPECTRUM'; did you mean spectrum"),
        ("FREEZE f1 f2", "line 1: FREEZE: takes one tag, this has f1, f2"),
        ("FREEZE a=b", "line 1: FREEZE: no such parameter 'a'; there are tag"),
        ("CACHE cache=c tp=x", "line 1: CACHE: tp isn't supported (Luna has it)"),
        ("% nothing", "the script has no commands"),
    ],
)
def test_what_is_unknown_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as error:
        check(parse(text))
    assert str(error.value).startswith(said)


def test_a_far_word_gets_the_list() -> None:
    with pytest.raises(ScriptError, match=r"there are ANNOTS, CACHE, .*WRITE"):
        check(parse("XYZZYQ"))
