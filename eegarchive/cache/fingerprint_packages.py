"""Where a module comes from: Python's own library, an installed distribution, or the user."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import os
import re
import sys
from types import FunctionType, ModuleType
from typing import Any

from eegarchive.errors import EEGArchiveError
from eegarchive.provenance import version_of

#: Comes from Python itself.
PYTHON = ("python",)
#: Flag of classes that aren't part of a C library's data.
HEAP_TYPE = 1 << 9
_SITES = ("site-packages", "dist-packages")
_COMPILED = tuple(importlib.machinery.EXTENSION_SUFFIXES)


def distributions_of(module: ModuleType) -> tuple[str, ...]:
    """The distributions that a module is part of; `PYTHON`; or none: it is the user's own.

    What lies outside of the folder that its distribution was installed to (an editable installation, a
    module of the same name) is the user's own, and so is a user's module with the name of one of Python's.
    """
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    return distributions_at(module.__name__, file)


@functools.cache
def distributions_at(name: str, file: str | None) -> tuple[str, ...]:
    """The same for a module's name and file, without importing it."""
    top = name.partition(".")[0]
    if top == "eegarchive":
        return ("eegarchive",)
    if file is None:
        return ()
    if file in ("built-in", "frozen"):
        return PYTHON
    path = _real(file)
    if top in sys.stdlib_module_names and _in_library(path):
        return PYTHON
    found = (dist for folder, dist in _installed().get(top, ()) if path.startswith(folder + os.sep))
    return tuple(sorted({dist.metadata["Name"] for dist in found}))


def is_compiled(module: ModuleType | None) -> bool:
    """Whether there is no bytecode to look at."""
    return (getattr(module, "__file__", None) or "").endswith(_COMPILED)


def distributions_of_name(module: object) -> tuple[str, ...]:
    """As `distributions_of`, for the name that an object gives its module."""
    found = sys.modules.get(module) if isinstance(module, str) else None
    return distributions_of(found) if isinstance(found, ModuleType) else ()


def is_importable(value: Any) -> bool:
    """Whether its module has it by the name it gives itself."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def distributions_of_class(kind: type) -> tuple[str, ...]:
    """Where a class comes from; none if it was made by a function, whatever module it names."""
    static = not kind.__flags__ & HEAP_TYPE
    return distributions_of_name(kind.__module__) if static or is_importable(kind) else ()


def distributions_of_function(function: FunctionType) -> tuple[str, ...]:
    """Where a function's code comes from: decorators copy the names of others' functions."""
    scope = function.__globals__
    name = scope.get("__name__")
    if name is None:  # made by exec, as some decorators do
        return distributions_of_name(function.__module__) if is_importable(function) else ()
    module = sys.modules.get(name)
    return distributions_of(module) if module and vars(module) is scope else ()


@functools.cache
def distribution_named(name: str) -> str:
    """A distribution's name as it writes it itself."""
    if version_of(name) == "not installed":
        raise EEGArchiveError(f"no package {name!r} is installed; give the name that pip knows it by")
    return name if name == "eegarchive" else importlib.metadata.distribution(name).metadata["Name"]


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _in_library(path: str) -> bool:
    for folder in (os.path.dirname(os.__file__), os.path.join(sys.base_exec_prefix, "DLLs")):
        root = _real(folder) + os.sep
        if path.startswith(root) and path.removeprefix(root).partition(os.sep)[0] not in _SITES:
            return True
    return False


@functools.cache
def _installed() -> dict[str, list[tuple[str, importlib.metadata.Distribution]]]:
    """Distributions by the names in their folders, with the folder.

    `importlib.metadata.packages_distributions` takes twice as long, and takes a project's own folder for an
    installation where a build left its `egg-info` there.
    """
    found: dict[str, list[tuple[str, importlib.metadata.Distribution]]] = {}
    for dist in importlib.metadata.distributions():
        folder = _real(str(dist.locate_file("")))
        files = dist.read_text("RECORD")
        if files is None and os.path.basename(folder) in _SITES:
            files = dist.read_text("top_level.txt")
        for top in set(re.findall(r"^[^/.,\s]+", files or "", re.MULTILINE)):
            found.setdefault(top, []).append((folder, dist))
    return found
