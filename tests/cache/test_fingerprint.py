"""What counts as the same function, and what doesn't."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import pickle
import random
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import eegarchive
from eegarchive import provenance
from eegarchive.cache import fingerprint_packages
from eegarchive.cache.fingerprint import fingerprint
from eegarchive.cache.fingerprint_packages import distributions_of
from eegarchive.cache.fingerprint_values import Digester


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Writes modules and gives the fingerprint of `f` in the last one."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = set()

    def load(f, name, **modules):
        for module, text in {**modules, name: f}.items():
            made.add(module)
            (tmp_path / f"{module}.py").write_text(text)
        for module in made:
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield lambda f, name="night_work", **modules: fingerprint(load(f, name, **modules).f)
    for module in made:
        sys.modules.pop(module, None)


def of(text, name="f"):
    """Fingerprint of a function that a notebook's cell defines."""
    scope = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec", dont_inherit=True), scope)
    return fingerprint(scope[name])


BASE = '''
import functools
import numpy as np
SCALE = 2
def deepest(x):
    return x + 1
def helper(x):
    return deepest(x)
def unused():
    return 1
class Base:
    def shared(self): return 1
class Filter(Base):
    order: int = 4
    taps = (1, 2)
    def __init__(self): self.gain = 1
    def run(self, x): return x * self.gain
    @property
    def slope(self): return 6
    @staticmethod
    def still(): return 7
    @classmethod
    def klass(cls): return 8
    @functools.cached_property
    def late(self): return 9
def maker(shift, window):
    def inner(x, add=3, *, times=5):
        """What it does."""
        return Filter().run(helper(x) * SCALE + shift) + add * times + np.sum(window) + 0.5
    return inner
f = maker(10, np.array([1.0, 2.0]))
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+ 0.5", "- 0.5"),
        ("+ 0.5", "+ 0.25"),
        ("add=3", "add=4"),
        ("add=3", "add=3.0"),
        ("add=3", "add=True"),
        ("times=5", "times=6"),
        ("maker(10,", "maker(11,"),
        ("[1.0, 2.0]", "[1.0, 2.5]"),
        ("[1.0, 2.0]", "[1, 2]"),
        ("SCALE = 2", "SCALE = 3"),
        ("return x + 1", "return x + 2"),
        ("return deepest(x)", "return deepest(x) * 1"),
        ("return x * self.gain", "return x / self.gain"),
        ("self.gain = 1", "self.gain = 2"),
        ("def shared(self): return 1", "def shared(self): return 2"),
        ("class Filter(Base)", "class Filter"),
        ("order: int = 4", "order: int = 5"),
        ("taps = (1, 2)", "taps = [1, 2]"),
        ("return 6", "return 60"),
        ("return 7", "return 70"),
        ("return 8", "return 80"),
        ("return 9", "return 90"),
        ("@staticmethod", "@classmethod"),
        ("x, add", "y, add"),
    ],
)
def test_what_the_result_hangs_on_makes_another(old, new):
    assert BASE.count(old) == 1
    assert of(BASE.replace(old, new)).code != of(BASE).code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2", "SCALE = 2  # twice\n\n\n"),
        ("return deepest(x)", "# a comment\n\n    return   deepest( x )"),
        ("\nSCALE", "\nother = 5\nSCALE"),
        ("def unused():\n    return 1", "def unused():\n    return 2"),
        ("What it does.", "What it does, told better."),
        ('"""What it does."""', ""),
        ("return x + 1", '"""Doc."""\n    return x + 1'),
        ("class Filter(Base):", 'class Filter(Base):\n    """Doc."""'),
    ],
)
def test_what_it_does_not_hang_on_makes_no_other(old, new):
    assert BASE.count(old) == 1
    assert of(BASE.replace(old, new)).code == of(BASE).code


def test_a_docstring_does_not_count_among_many_constants():
    body = "return [" + ", ".join(f"x + {i}.5" for i in range(300)) + "]"
    assert of(f"def f(x):\n    {body}").code == of(f"def f(x):\n    'doc'\n    {body}").code


def test_the_same_in_another_module_and_file(make):
    first = make(f=BASE)
    second = make(f="\n\n" + BASE, name="moved")
    assert first.code == second.code == of(BASE).code
    assert first.function == "night_work:maker.<locals>.inner"
    assert second.function == "moved:maker.<locals>.inner"
    assert first.packages == {"numpy": np.__version__, "python": "{}.{}".format(*sys.version_info)}


HELPERS = "import deep_lib\nLIMIT = 3\ndef power(x): return deep_lib.square(x)\ndef unused(): return 1\n"
DEEP = "def square(x): return x * x\ndef unused(): return 1\n"


@pytest.mark.parametrize(
    ("text", "precise"),
    [
        ("import help_lib\ndef f(x): return help_lib.power(x)", True),
        ("import help_lib as h\ndef f(x): return [h.power(y) for y in x]", True),
        ("from help_lib import power\ndef f(x): return power(x)", True),
        ("def f(x):\n    from help_lib import power\n    return power(x)", True),
        (
            "def f(x):\n    def g():\n        from help_lib import power\n        return power(x)\n    return g()",
            True,
        ),
        ("def f(x):\n    import help_lib\n    return help_lib.power(x)", False),
        ("import help_lib\ndef f(x):\n    h = help_lib\n    return h.power(x)", False),
        ("import help_lib\ndef f(x): return getattr(help_lib, 'power')(x)", False),
        ("import help_lib\ndef g(h):\n    def f(x): return h.power(x)\n    return f\nf = g(help_lib)", False),
    ],
)
def test_helpers_in_other_modules(make, text, precise):
    before = make(f=text, deep_lib=DEEP, help_lib=HELPERS)
    edited = make(f=text, deep_lib=DEEP.replace("x * x", "x ** 2"), help_lib=HELPERS)
    unused = make(f=text, deep_lib=DEEP, help_lib=HELPERS.replace("return 1", "return 2"))
    assert edited.code != before.code
    assert (unused.code == before.code) is precise
    assert make(f=text, deep_lib=DEEP, help_lib=HELPERS).code == before.code


def test_values_and_packages_of_other_modules(make):
    text = "import help_lib\ndef f(x): return x + help_lib.LIMIT"
    before = make(f=text, help_lib="LIMIT = 3")
    assert make(f=text, help_lib="LIMIT = 4").code != before.code
    named = make(f=text, help_lib="import scipy.signal\nLIMIT = scipy.signal.welch")
    assert "scipy" in named.packages


@pytest.mark.parametrize(
    "line", ["from .two import g", "from . import two; g = two.g", "import lab.two; g = lab.two.g"]
)
def test_relative_imports_and_packages(make, tmp_path, line):
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text(f"def f(x):\n    {line}\n    return g(x)\n")
    codes = []
    for body in ("x", "x", "-x"):
        (folder / "two.py").write_text(f"def g(x): return {body}\n")
        for name in ("lab", "lab.one", "lab.two"):
            sys.modules.pop(name, None)
        make(f="def f(): pass")  # forget what the finders know
        codes.append(fingerprint(importlib.import_module("lab.one").f).code)
    for name in ("lab", "lab.one", "lab.two"):
        sys.modules.pop(name, None)
    assert codes[0] == codes[1] != codes[2]


def test_an_import_of_what_is_not_there_counts_as_that(make):
    text = "def f(x):\n    try:\n        import lab_gpu\n    except ImportError:\n        return x\n"
    before = make(f=text)
    assert make(f=text, lab_gpu="FAST = 1").code != before.code


def test_a_local_module_named_like_one_of_pythons_is_followed(make):
    text = "import this\ndef f(x): return this.power(x)"
    one = make(f=text, this="def power(x): return x")
    assert make(f=text, this="def power(x): return -x").code != one.code


def test_where_modules_come_from(tmp_path):
    assert distributions_of(importlib.import_module("json.decoder")) == ("python",)
    assert distributions_of(sys) == ("python",)
    assert distributions_of(importlib.import_module("deflate")) == ("deflate",)
    assert distributions_of(eegarchive) == ("eegarchive",)
    assert distributions_of(sys.modules[__name__]) == ()
    assert distributions_of(types.ModuleType("numpy")) == ()
    stranger = types.ModuleType("numpy")
    stranger.__file__ = str(tmp_path / "numpy.py")
    assert distributions_of(stranger) == ()


def test_attribute_names_are_no_globals():
    text = "SCALE = {}\ndef f(x): return x.SCALE"
    assert of(text.format(1)).code == of(text.format(2)).code


def test_names_that_the_code_of_inner_functions_and_classes_uses():
    text = "K = {}\ndef f(x):\n    class A:\n        k = K\n    return A, lambda: [K for _ in x]"
    assert of(text.format(1)).code != of(text.format(2)).code


def test_a_name_that_is_defined_later():
    assert of("def f(): return later").code != of("def f(): return later\nlater = 1").code


SEEDED = """
import enum, re, pathlib
from dataclasses import dataclass, field
class Stage(enum.Enum):
    N2 = "n2"
    W = "w"
class Marks(enum.Flag):
    A = 1
    B = 2
@dataclass(frozen=True)
class Band:
    name: str = "alpha"
    edges: tuple = (8, 12)
    tags: set = field(default_factory=set)
NAMES = {"C3", "C4", "O1", "O2", "F3"}
GROUPS = {frozenset({"a", "b", "c"}), frozenset({"d", "e"}), ("f", None)}
WHERE = {"x": pathlib.PurePosixPath("a/b"), "y": re.compile("a+", re.I), "z": slice(1, None), "t": dict[str, int]}
class Run:
    __slots__ = ("band", "seen", "__dict__")
    def __init__(self):
        self.band, self.seen, self.me = Band(tags={"u", "v", "w"}), NAMES, self
    def __call__(self, x):
        return x in {"p", "q", "r", "s"} and self.band and (Stage.N2, Marks.A | Marks.B, KINDS, GROUPS, WHERE)
KINDS = {Stage, Band, Marks, Run, lambda: NAMES, lambda: GROUPS, lambda: WHERE, lambda: KINDS}
f = Run()
"""


def test_the_same_in_every_process(tmp_path):
    program = (
        "import sys\nfrom eegarchive.cache.fingerprint import fingerprint\n"
        "sys.path.insert(0, sys.argv[1])\nimport seeded\nprint(fingerprint(seeded.f).code)"
    )
    found = set()
    for seed, option in [("0", "-O"), ("1", "-OO"), ("2", "-B"), ("12345", "-B")]:
        folder = tmp_path / f"checkout{seed}"
        folder.mkdir()
        (folder / "seeded.py").write_text(SEEDED)
        done = subprocess.run(
            [sys.executable, option, "-c", program, str(folder)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(eegarchive.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
    assert found == {of(SEEDED).code + "\n"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"O1"', '"O9"'),
        ('("f", None)', '("f", 0)'),
        ("a/b", "a/c"),
        ("a+", "a*"),
        ("re.I)", "re.M)"),
        ("slice(1", "slice(2"),
        ("dict[str, int]", "dict[str, str]"),
        ('"w"\n', '"x"\n'),
        ("B = 2", "B = 4"),
        ("Marks.A | Marks.B", "Marks.A & Marks.B"),
        ('"s"}', '"t"}'),
        ("(8, 12)", "(8, 13)"),
        ('tags={"u"', 'tags={"z"'),
        ("self.me = Band", "self.you = Band"),
        ("frozen=True", "frozen=False"),
    ],
)
def test_constants_of_all_kinds_count(old, new):
    assert SEEDED.count(old) == 1
    assert of(SEEDED.replace(old, new)).code != of(SEEDED).code


class Gain:
    def __init__(self, gain):
        self.gain = gain
        self.friend = self

    def __call__(self, x):
        return x * self.gain

    def run(self, x):
        return x + self.gain


def plain(x, k=1):
    return x * k


def test_pickling_changes_nothing():
    for fn in (plain, functools.partial(plain, k=2), Gain(3), Gain(3).run):
        assert fingerprint(pickle.loads(pickle.dumps(fn))) == fingerprint(fn)


def test_partials_methods_and_callables():
    given = [
        plain,
        functools.partial(plain, 1),
        functools.partial(plain, 2),
        functools.partial(plain, k=1),
        functools.partial(plain, np.arange(3)),
        functools.partial(plain, np.arange(4)),
        Gain(1),
        Gain(2),
        Gain(1).run,
        Gain(2).run,
        Gain,
        Gain.run,
        np.mean,
        np.std,
        np.sin,
        abs,
        str.upper,
    ]
    assert len({fingerprint(fn).code for fn in given}) == len(given)
    assert fingerprint(functools.partial(plain, 1)).function.endswith(":plain")
    assert fingerprint(np.mean).packages == {"numpy": np.__version__}


@pytest.mark.parametrize(
    "text",
    [
        "import functools\n@functools.lru_cache\ndef f(x): return x * {}",
        "import contextlib\n@contextlib.contextmanager\ndef f(x): yield x * {}",
        "import decorator\n@decorator.decorator\ndef d(fn, *a): return fn(*a)\n@d\ndef f(x): return x * {}",
        "import functools\ndef d(fn):\n    @functools.wraps(fn)\n    def w(*a): return fn(*a)\n    return w\n"
        "@d\ndef f(x): return x * {}",
        "import functools\ndef d(fn):\n    @functools.wraps(fn)\n    def w(*a): return fn(*a) * {}\n    return w\n"
        "@d\ndef f(x): return x",
        "import typing\nclass f(typing.NamedTuple):\n    x: int = {}",
        "import collections\nclass f(collections.namedtuple('P', 'a b')):\n    def g(self): return {}",
        "import numpy as np\nf = np.vectorize(lambda x: x * {})",
        "class L(list): pass\nk = L([{}])\ndef f(x): return k",
        "class D(dict): pass\nk = D(a={})\ndef f(x): return k",
        "class I(int): pass\nk = I({})\ndef f(x): return k",
        "class T(tuple): pass\nk = T(({},))\ndef f(x): return k",
        "class S(str): pass\nk = S('{}')\ndef f(x): return k",
        "import numpy as np\nk = np.ma.array([1, {}], mask=[0, 0])\ndef f(x): return k",
        "import numpy as np\nk = np.ma.array([1, 2], mask=[0, {} % 2])\ndef f(x): return k",
        "import numpy as np\nk = np.array(['a', {}], dtype=object)\ndef f(x): return k",
        "import numpy as np\nk = np.float32({})\ndef f(x): return k",
        "import collections\nk = collections.OrderedDict(a={})\ndef f(x): return k",
        "import datetime\nk = datetime.timedelta({})\ndef f(x): return k",
        "def f(x): return f.k\nf.k = {}",
        "def f(x):\n    try:\n        return x\n    except ValueError:\n        return {}",
        "def f(*x): yield {}",
        "async def f(*x): return {}",
        "class S: __slots__ = ('a', 'b')\nk = S()\nk.a = {}\ndef f(x): return k",
        "class M(type):\n    def __len__(cls): return {}\nclass S(metaclass=M): pass\ndef f(x): return S",
        "import numpy as np\nk = np.zeros((6, 6)).reshape(2 * {}, -1)\ndef f(x): return k",
        "import numpy as np\nk = np.array([(1, {})], dtype=[('a', 'i1'), ('b', 'f8')])\ndef f(x): return k",
    ],
)
def test_decorated_and_derived(text, make):
    assert of(text.format(2)).code != of(text.format(3)).code
    assert of(text.format(2)).code == of(text.format(2)).code
    assert make(f=text.format(2)).code != make(f=text.format(3)).code  # importable by name


def test_kinds_of_arguments_and_functions_differ():
    texts = ["def f(*x): return x", "def f(**x): return x", "def f(x): return x", "def f(x, /): return x"]
    texts += ["def f(*, x): return x", "async def f(x): return x", "def f(x):\n    return x\n    yield"]
    assert len({of(text).code for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("return x.mean()", "return x.std()"),
        ("return -0.0", "return 0.0"),
        ("return (1, 2)", "return (1, 2.0)"),
        ("return x < 1", "return x > 1"),
        (
            "try:\n        a(x)\n        b(x)\n    except E:\n        pass",
            "try:\n        a(x)\n    except E:\n        pass\n    else:\n        b(x)",
        ),
        ("return g(a=x)", "return g(b=x)"),
    ],
)
def test_bodies_that_differ_a_little(one, two):
    assert of(f"def f(x):\n    {one}").code != of(f"def f(x):\n    {two}").code


def test_bytes_between_the_fields_of_arrays():
    layout = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    codes = set()
    for filler in (0, 255):
        raw = np.full(3 * layout.itemsize, filler, np.uint8).view(layout)
        raw["a"], raw["b"] = 1, 2
        codes.add(fingerprint(functools.partial(plain, raw)).code)
    assert len(codes) == 1


def test_what_only_claims_to_be_of_an_installed_package():
    scopes = [{"__name__": "numpy"} for _ in range(2)]
    for scope, body in zip(scopes, ("x", "-x"), strict=True):
        exec(f"def mean(x): return {body}\nclass Made:\n    def run(self, x): return {body}", scope)
    for name in ("mean", "Made"):
        one, two = (fingerprint(scope[name]) for scope in scopes)
        assert one.code != two.code
        assert "numpy" not in one.packages


def test_two_lambdas_on_one_line():
    one, two, again = lambda x: x + 1, lambda x: x + 2, lambda x: x + 1
    assert fingerprint(one).code == fingerprint(again).code != fingerprint(two).code


def test_long_numbers():
    assert of("k = 10**5000\ndef f(): return k").code != of("k = 10**5001\ndef f(): return k").code


def test_recursion():
    text = "def f(x): return g(x) if x else 0\ndef g(x): return f(x - {})\nlist_of = [f, g]\n"
    assert of(text.format(1)).code == of(text.format(1)).code != of(text.format(2)).code
    looped = (
        "a = [{}]\na.append(a)\nb = {{'a': a}}\nb['b'] = b\nc = {{g for g in ()}}\ndef f(): return a, b, c"
    )
    assert of(looped.format(1)).code == of(looped.format(1)).code != of(looped.format(2)).code
    in_set = "def f(): return s, {}\ndef g(): return f, s\ns = {{f, g}}"
    assert of(in_set.format(1)).code == of(in_set.format(1)).code != of(in_set.format(2)).code


def test_long_chains_of_functions_and_nested_values():
    chain = (
        "".join(f"def f{i}(x): return f{i + 1}(x)\n" for i in range(2000)) + "def f2000(x): return {}\nf = f0"
    )
    assert of(chain.format(1)).code != of(chain.format(2)).code
    with pytest.raises(eegarchive.EEGArchiveError, match="nested too deeply"):
        of("a = []\nfor _ in range(10000): a = [a]\ndef f(): return a")


def test_a_cell_that_is_run_again():
    scope = {"__name__": "__main__"}
    exec("def helper(x): return x\ndef f(x): return helper(x)", scope)
    before = fingerprint(scope["f"])
    exec("def helper(x): return -x", scope)
    after = fingerprint(scope["f"])
    exec("def helper(x): return x", scope)
    assert before == fingerprint(scope["f"]) != after


def test_a_file_edited_after_its_import(make, tmp_path):
    make(f="def f(x): return x")
    running = sys.modules["night_work"].f
    before = fingerprint(running)
    (tmp_path / "night_work.py").write_text("def f(x): return -x")
    assert fingerprint(running) == before
    assert make(f="def f(x): return -x").code != before.code


def test_running_it_changes_nothing():
    scope = {"__name__": "__main__"}
    exec(BASE, scope)
    before = fingerprint(scope["f"])
    tracer = sys.gettrace()
    sys.settrace(lambda *given: None)
    try:
        for i in range(100):
            scope["f"](i)
    finally:
        sys.settrace(tracer)
    assert fingerprint(scope["f"]) == before


def test_a_wrapper_of_an_installed_package_is_looked_into(make):
    text = "import decorator\n@decorator.contextmanager\ndef f(x): yield {}"
    assert make(f=text.format(1)).code != make(f=text.format(2)).code


def test_a_projects_own_build_is_no_installation(make, tmp_path):
    (tmp_path / "night_work.egg-info").mkdir()
    (tmp_path / "night_work.egg-info" / "PKG-INFO").write_text("Name: night_work\nVersion: 1\n")
    (tmp_path / "night_work.egg-info" / "top_level.txt").write_text("night_work\n")
    fingerprint_packages._installed.cache_clear()
    fingerprint_packages.distributions_at.cache_clear()
    try:
        first = make(f="def f(x): return x")
        assert first.packages.keys() == {"python"}
        assert make(f="def f(x): return -x").code != first.code
    finally:
        fingerprint_packages._installed.cache_clear()
        fingerprint_packages.distributions_at.cache_clear()


def test_versions_of_packages(monkeypatch):
    text = "import numpy as np\nfrom scipy.signal import welch\n"
    text += "def f(x):\n    import mne.filter\n    return np.sin(welch(x))"
    before = of(text)
    assert before.packages.keys() == {"mne", "numpy", "python", "scipy"}
    found = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "scipy" else found(name))
    provenance.version_of.cache_clear()
    try:
        after = of(text)
    finally:
        monkeypatch.undo()
        provenance.version_of.cache_clear()
    assert after.packages == {**before.packages, "scipy": "99"}
    assert after.code == before.code


def test_packages_that_the_caller_names():
    assert list(fingerprint(plain, ["scipy", "pyedflib"]).packages) == ["pyEDFlib", "python", "scipy"]
    assert fingerprint(plain, ["eegarchive"]).packages["eegarchive"] == eegarchive.__version__
    with pytest.raises(eegarchive.EEGArchiveError, match="no package 'scypi' is installed"):
        fingerprint(plain, ["scypi"])


def test_another_function_of_the_same_package():
    text = "from scipy.special import {} as g\ndef f(x): return g(x)"
    assert of(text.format("expit")).code != of(text.format("logit")).code
    assert "scipy" in of(text.format("expit")).packages
    text = "from numpy import {} as g\ndef f(x): return g(x)"
    assert of(text.format("mean")).code != of(text.format("std")).code


def test_what_is_not_imported_stays_so():
    program = (
        "import sys\nfrom eegarchive.cache.fingerprint import fingerprint\n"
        "def f(x):\n    import mne.filter\n    from scipy import signal\n"
        "print(fingerprint(f).packages.keys(), 'mne' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "dict_keys(['mne', 'python', 'scipy']) False False\n"


class Holder:
    def __init__(self, thing):
        self.thing = thing


def _refused():
    yield "lock", threading.Lock()
    yield "local", threading.local()
    yield "generator", (x for x in [1])
    yield "iterator", iter([1])
    yield "random", random.Random(1)
    yield "numpy random", np.random.default_rng(1)
    yield "method of random", random.random
    yield "made ufunc", np.frompyfunc(plain, 1, 1)
    yield "held", Holder([{"a": threading.Lock()}])
    yield "memory", memoryview(b"")


@pytest.mark.parametrize(
    ("name", "thing"), list(_refused()), ids=lambda given: given if isinstance(given, str) else ""
)
def test_what_can_not_be_compared_is_refused(name, thing):
    def f(x):
        return x, thing

    with pytest.raises(eegarchive.EEGArchiveError) as caught:
        fingerprint(f)
    message = str(caught.value)
    assert "\n" not in message
    assert "<locals>.f can't be compared" in message
    assert "'thing'" in message
    assert 'pass it as an argument, or give version="..."' in message


def test_open_files_and_archives_are_refused(tmp_path, psg):
    with (
        (tmp_path / "x").open("w") as opened,
        pytest.raises(eegarchive.EEGArchiveError, match="TextIOWrapper"),
    ):
        fingerprint(lambda: opened)
    with eegarchive.open(psg) as night:
        with pytest.raises(eegarchive.EEGArchiveError, match=r"'night' is a eegarchive.archive.Archive"):
            fingerprint(lambda: night)
        with h5py.File(psg) as file, pytest.raises(eegarchive.EEGArchiveError, match="'file'"):
            fingerprint(lambda: file)


@pytest.mark.parametrize("name", ["eval", "exec", "globals", "__import__"])
def test_what_hides_names_is_refused(name):
    with pytest.raises(eegarchive.EEGArchiveError, match=f"what {name} reaches"):
        of(f"def f(x): return {name}(x)")


def test_imports_by_name_are_refused():
    for text in ("import importlib\ndef f(): return importlib.import_module('a')",):
        with pytest.raises(eegarchive.EEGArchiveError, match="what import_module reaches"):
            of(text)


def test_it_is_quick():
    scope = {"__name__": "__main__"}
    exec(BASE, scope)
    fingerprint(scope["f"])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        fingerprint(scope["f"])
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002


CONSTANTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 1j, complex(0.0, -0.0)])
    | st.text("a,1:", max_size=3)
    | st.binary(max_size=2)
    | st.sampled_from([np.int64(1), np.float64(1), np.array([1]), np.array([1.0]), np.array([[1]]), ...]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2)
        | st.frozensets(st.integers(-2, 2) | st.text("ab", max_size=2), max_size=3)
        | st.sets(st.integers(-2, 2) | st.booleans(), max_size=3)
    ),
    max_leaves=6,
)


def spelled(value):
    """A text that is equal where value and type are."""
    if isinstance(value, (set, frozenset)):
        return type(value).__name__ + str(sorted(map(spelled, value)))
    if isinstance(value, dict):
        return "dict" + str([(spelled(key), spelled(held)) for key, held in value.items()])
    if isinstance(value, (list, tuple)):
        return type(value).__name__ + str([spelled(held) for held in value])
    if isinstance(value, np.ndarray):
        return f"array{value.dtype}{value.shape}{value.tolist()}"
    return type(value).__name__ + (hex(value) if isinstance(value, int) else repr(value))


@given(CONSTANTS, CONSTANTS)
def test_constants_are_equal_where_value_and_type_are(one, two):
    def digest(value):
        digester = Digester()
        digester.value(value)
        return digester.digest()

    copied = pickle.loads(pickle.dumps(one))
    assert digest(copied) == digest(one)
    assert (digest(one) == digest(two)) == (spelled(one) == spelled(two))
