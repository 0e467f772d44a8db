"""Whether a function is still the one that made a stored value.

What runs is compared, not its source text: the file may have been edited since it was imported.
"""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import dataclasses
import enum
import functools
import importlib
import importlib.util
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import numpy as np

from eegarchive.cache.fingerprint_packages import (
    HEAP_TYPE,
    PYTHON,
    distribution_named,
    distributions_at,
    distributions_of,
    distributions_of_class,
    distributions_of_function,
    distributions_of_name,
    is_compiled,
    is_importable,
)
from eegarchive.cache.fingerprint_values import Digester, code_form, hides_state, plain_and_state
from eegarchive.errors import EEGArchiveError
from eegarchive.provenance import version_of

#: Names in a module that tell where it lies, not what it does.
_MODULE_NAMES = {
    "__builtins__",
    "__cached__",
    "__file__",
    "__path__",
    *vars(types.ModuleType("")),
    "__annotations__",
}
#: Of a class's namespace: where it was defined, documentation, and what Python keeps there for itself.
_CLASS_NAMES = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__firstlineno__"),
    *("__static_attributes__", "__annotations_cache__", "_abc_impl"),
    *("_value2member_map_", "_hashable_values_", "_unhashable_values_", "_unhashable_values_map_"),
}
#: What is reached through these can't be found in the code.
_UNSEEN = (eval, exec, globals, __import__, importlib.import_module)
_C_FUNCTIONS = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


@dataclass(frozen=True)
class Fingerprint:
    """What a function's results hang on, apart from its arguments.

    Attributes
    ----------
    function : str
        Module and qualified name, for people; a function that moved is still the same.
    code : str
        SHA-256 of its bytecode, defaults, closure and globals, and of the user's functions and classes
        among them, through and through.
    packages : dict of str to str
        Version of each installed distribution that is named in them; of Python ("3.11") where bytecode or
        Python's own library is.
    """

    function: str
    code: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Decorated:
    """What a function stands for that a cache's `compute` made: it closes over the archive, which isn't compared.

    Attributes
    ----------
    function : callable
    given : mapping
        Parameters that were given once for all calls.
    """

    function: Callable[..., Any]
    given: Mapping[str, Any]


def fingerprint(fn: Callable[..., Any], packages: Sequence[str] = ()) -> Fingerprint:
    """What `fn` hangs on as it is now.

    Not seen are files and environment variables that it reads, what it looks up by a text
    (`sys.modules["..."]`), and changes inside installed packages that keep their version.

    Parameters
    ----------
    fn : callable
        A function, method, partial, class or callable object.
    packages : sequence of str, optional
        Further distributions whose versions count.

    Raises
    ------
    EEGArchiveError
        It hangs on something that can't be compared with an earlier one, such as an open file.
    """
    function = _label(fn)
    walk = _Walk(function)
    try:
        walk.value(fn)
        walk.finish()
    except RecursionError:
        raise EEGArchiveError(f"{function} holds values nested too deeply to compare; {_ADVICE}") from None
    names = walk.packages | {distribution_named(name) for name in packages}
    return Fingerprint(function, walk.digest(), {name: _version(name) for name in sorted(names)})


_ADVICE = 'pass it as an argument, or give version="..." and change that with the function'


def _version(name: str) -> str:
    if name in PYTHON:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    return version_of(name)


def _label(fn: Any) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    named = fn if hasattr(fn, "__qualname__") else type(fn)
    return f"{getattr(named, '__module__', 'builtins')}:{named.__qualname__}"


class _Walk(Digester):
    """Follows a function to all that it hangs on.

    Functions, classes, modules and objects are numbered as they are met and looked into one after the
    other, so they may name each other.
    """

    def __init__(self, function: str) -> None:
        super().__init__()
        self.packages: set[str] = set()
        self._numbers: dict[int, int] = {}
        self._nodes: list[Callable[[_Walk], None]] = []
        self._done = 0
        self._owner, self._variable = function, "it"

    def finish(self) -> None:
        """Look into everything that was met."""
        while self._done < len(self._nodes):
            self.put("node", self._done)
            self._done += 1
            self._nodes[self._done - 1](self)

    def branch(self) -> Self:
        """One that has met the same, and looks into what it meets itself."""
        other = super().branch()
        other._numbers, other._nodes = dict(self._numbers), list(self._nodes)
        other._done = len(other._nodes)
        return other

    def digest(self) -> str:
        """SHA-256 of all, in hex."""
        self.finish()
        return super().digest()

    def refuse(self, value: Any, why: str) -> NoReturn:
        """The error for what can't be compared."""
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        raise EEGArchiveError(
            f"{self._owner} can't be compared with an earlier one: {self._variable} is a {kind}, {why}; {_ADVICE}"
        )

    def other(self, value: Any) -> None:
        """Anything but plain data."""
        kind = type(value)
        if any(value is unseen for unseen in _UNSEEN):
            self.refuse(value, f"and what {value.__name__} reaches can't be seen")
        elif isinstance(value, types.ModuleType):
            self._module(value)
        elif kind is types.FunctionType:
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif kind is types.MethodType:
            self.put("method")
            self.value((value.__func__, value.__self__))
        elif kind in (staticmethod, classmethod):
            self.put(kind.__name__)
            self.value(value.__func__)
        elif kind is property:
            self.put("property")
            self.value((value.fget, value.fset, value.fdel))
        elif kind is functools.cached_property:
            self.put("cached_property")
            self.value(value.func)
        elif kind is functools._lru_cache_wrapper:
            self.put("lru_cache")
            self.value(value.__wrapped__)
        elif kind in _C_FUNCTIONS:
            self._c_function(value)
        elif isinstance(value, enum.Enum):
            self.put("member", str(value._name_))
            self.value((kind, value._value_))
        else:
            self._object(value)

    def _external(self, distributions: tuple[str, ...], *parts: str) -> None:
        self.packages.update(distributions)
        self.put("external", len(parts), *parts)

    def _node(self, value: Any, look: Callable[[_Walk, Any], None], owner: str | None = None) -> None:
        """Number it; what it holds comes later."""
        number = self._numbers.setdefault(id(value), len(self._nodes))
        self.put("see", number)
        if number < len(self._nodes):
            return
        where = owner or self._owner, self._variable

        def later(walk: _Walk) -> None:
            walk._owner, walk._variable = where
            look(walk, value)

        self._nodes.append(later)

    def _members(self, owner: str, members: Mapping[str, Any]) -> None:
        self.put("members", len(members))
        for name in sorted(members):
            self.put(name)
            self._named(f"{owner}.{name}", members[name])

    def _named(self, name: str, value: Any) -> None:
        """A part of what is looked into, with the name that an error gives it."""
        self._variable = name
        self.value(value)

    def _module(self, module: types.ModuleType) -> None:
        distributions = distributions_of(module)
        if distributions:
            self._external(distributions, module.__name__)
        elif is_compiled(module):
            self.refuse(module, "and compiled code of your own has no version")
        else:
            self._node(module, _Walk._in_module)

    def _in_module(self, module: types.ModuleType) -> None:
        self._members(
            module.__name__, {name: vars(module)[name] for name in vars(module).keys() - _MODULE_NAMES}
        )

    def _function(self, function: types.FunctionType) -> None:
        decorated = vars(function).get("decorated")
        if isinstance(decorated, Decorated):
            self.value((decorated.function, decorated.given))
            return
        distributions = distributions_of_function(function)
        if not distributions:
            self._node(function, _Walk._in_function, _label(function))
            return
        named = distributions_of_name(function.__module__) if is_importable(function) else ()
        if named:
            self._external(distributions + named, function.__module__, function.__qualname__)
        else:  # made by another one, as a decorator makes them with the name of what it wraps
            self._external(distributions, function.__globals__["__name__"], function.__code__.co_qualname)
            self._node(function, _Walk._in_part, _label(function))

    def _in_part(self, function: types.FunctionType) -> None:
        """A function that doesn't stand for itself by its name: all but the globals."""
        form = code_form(function.__code__)
        self.packages.update(PYTHON)
        self.put("function", form.digest)
        self._named("a default", function.__defaults__)
        self._named("a default", sorted((function.__kwdefaults__ or {}).items()))
        self._members(function.__name__, vars(function))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                self.put("empty")
            else:
                self._named(f"its closure's {name!r}", content)

    def _in_function(self, function: types.FunctionType) -> None:
        self._in_part(function)
        form = code_form(function.__code__)
        named: Any = function  # not all type checkers know its builtins
        scopes: tuple[Any, Any] = (named.__globals__, named.__builtins__)
        for name, *attributes in form.names:
            if name in _MODULE_NAMES:
                continue
            self.put("name", name)
            for scope in scopes:
                if name in scope:
                    self._variable = f"its global {'.'.join((name, *attributes))!r}"
                    self._attribute(scope[name], attributes)
                    break
            else:
                self.put("unbound")
        for imported in form.imports:
            self._import(function.__globals__, *imported)

    def _attribute(self, value: Any, attributes: Sequence[str]) -> None:
        """A value, or what is taken of it if it is a module of the user's own."""
        for name in attributes:
            if not isinstance(value, types.ModuleType):
                break
            if value not in (builtins, importlib) and distributions_of(value):
                break
            if not hasattr(value, name):
                self.put("unbound")
                return
            value = getattr(value, name)
        self.value(value)

    def _import(self, scope: Mapping[str, Any], level: int, name: str, names: tuple[str, ...]) -> None:
        self._variable = f"its import of {'.' * level + name!r}"
        self.put("import")
        try:
            full = importlib.util.resolve_name(
                "." * level + name, scope.get("__package__") if level else None
            )
            if full not in sys.modules:  # what is installed needn't be imported to know its version
                top = full.partition(".")[0]
                spec = importlib.util.find_spec(top)
                distributions = distributions_at(top, spec.origin) if spec else ()
                if distributions:
                    self._external(distributions, full)
                    return
            module = importlib.import_module(full)
        except (ImportError, ValueError):
            self.put("absent")
            return
        if distributions_of(module) or not names:
            self.value((module, sys.modules[full.partition(".")[0]]))
            return
        for part in names:
            if not hasattr(module, part):  # perhaps a module of the package
                with contextlib.suppress(ImportError):
                    importlib.import_module(f"{full}.{part}")
            self._attribute(module, (part,))

    def _class(self, kind: type) -> None:
        distributions = distributions_of_class(kind)
        if distributions:
            self._external(distributions, kind.__module__, kind.__qualname__)
        elif not kind.__flags__ & HEAP_TYPE or is_compiled(sys.modules.get(kind.__module__)):
            self.refuse(kind, "and compiled code of your own has no version")
        else:
            self._node(kind, _Walk._in_class)

    def _in_class(self, kind: type) -> None:
        self.put("class", kind.__name__)
        self._named(f"the metaclass of {kind.__name__}", type(kind))
        self._named(f"a base of {kind.__name__}", kind.__bases__)
        self._members(kind.__name__, {name: vars(kind)[name] for name in vars(kind).keys() - _CLASS_NAMES})

    def _c_function(self, value: Any) -> None:
        self.put("compiled", value.__name__)
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            owner = getattr(value, "__objclass__", None)
        if owner is not None:
            self.value(owner)
            return
        distributions = distributions_of_name(value.__module__)
        if not distributions:
            self.refuse(value, "and compiled code of your own has no version")
        self._external(distributions, value.__module__)

    def _object(self, value: Any) -> None:
        kind = type(value)
        if is_importable(value) and (distributions := distributions_of_name(value.__module__)):
            self._external(distributions, value.__module__, value.__qualname__)
            return
        if isinstance(value, np.ufunc):
            self._ufunc(value)
            return
        distributions = distributions_of_class(kind)
        if distributions == PYTHON:
            if isinstance(value, (Iterator, random.Random)):
                self.refuse(value, "which changes when it is used")
            self.nested(value, self._reduced)
        elif distributions == ("eegarchive",) and not dataclasses.is_dataclass(kind):
            self.refuse(value, "which stands for a file")
        elif hides_state(kind):
            self.refuse(value, "whose state can't be seen")
        else:
            self._node(value, _Walk._in_object)

    def _in_object(self, value: Any) -> None:
        variable = self._variable
        plain, state = plain_and_state(value)
        self.put("object")
        self.value((type(value), plain))
        self._members(variable, state)

    def _reduced(self, value: Any) -> None:
        """An object of Python's own library, by what it would be pickled as."""
        kind = type(value)
        reducer = copyreg.dispatch_table.get(kind)
        try:
            reduced: Any = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception:
            self.refuse(value, "which can't be compared")
        self.put("reduced")
        if isinstance(reduced, str):
            self._external(PYTHON, kind.__module__, reduced)
            return
        maker, arguments, state, items, pairs = [*reduced, None, None, None][:5]
        self.value((maker, arguments, state, list(items or ()), list(pairs or ())))

    def _ufunc(self, value: np.ufunc) -> None:
        """One of a compiled module; it doesn't know which."""
        name = value.__name__
        homes = (
            module
            for module in list(sys.modules.values())
            if getattr(module, "__dict__", {}).get(name) is value
        )
        home = min(filter(is_compiled, homes), key=lambda module: module.__name__, default=None)
        if home is None or not distributions_of(home):
            self.refuse(value, "whose function can't be seen")
        self._external(distributions_of(home), name)
