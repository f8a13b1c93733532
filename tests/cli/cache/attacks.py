"""Ways in which a step's result depends on code that its own text does not name. Each is a module, and a change of it.

A step of the flow says what `used` says; `given`, if any, is set by a step before it, which always runs.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ACTING", "ATTACKS", "Attack", "flow_of"]


class Attack(NamedTuple):
    """One way."""

    module: str
    """Text of a module `NAME_code`, which the flow imports."""
    used: str
    """What the step computes; `m` is the module."""
    old: str
    new: str
    """The change: another text in its place."""
    given: str = ""
    """What an artifact `self.given_NAME` is made as, in a step before."""


ATTACKS: dict[str, Attack] = {
    "closure": Attack(
        "def maker():\n    n = 3\n    def inner():\n        return n\n    return inner\nf = maker()\n",
        "m.f()",
        "n = 3",
        "n = 4",
    ),
    "default_argument": Attack("LIMIT = 3\ndef f(n=LIMIT):\n    return n\n", "m.f()", "= 3", "= 4"),
    "keyword_default": Attack("def f(*, n=[3]):\n    return n\n", "m.f()", "[3]", "[4]"),
    "global_of_a_helper": Attack(
        "N = 3\ndef g():\n    return N\ndef f():\n    return g()\n", "m.f()", "N = 3", "N = 4"
    ),
    "class_attribute": Attack(
        "class C:\n    N = 3\n    def f(self):\n        return self.N\n", "m.C().f()", "N = 3", "N = 4"
    ),
    "lambda": Attack("f = lambda: 3\n", "m.f()", "3", "4"),
    "partial": Attack(
        "import functools\ndef g(a):\n    return a\nf = functools.partial(g, 3)\n", "m.f()", "3", "4"
    ),
    "decorator_without_wraps": Attack(
        "def add(n):\n    def wrap(f):\n        def call():\n            return f() + n\n        return call\n"
        "    return wrap\n@add(3)\ndef f():\n    return 1\n",
        "m.f()",
        "add(3)",
        "add(4)",
    ),
    "decorated_function": Attack(
        "class Deco:\n    def __init__(self, f):\n        self.f = f\n    def __call__(self):\n"
        "        return self.f()\n@Deco\ndef f():\n    return 3\n",
        "m.f()",
        "return 3",
        "return 4",
    ),
    "slotted_decorator": Attack(
        "class Deco:\n    __slots__ = ('f',)\n    def __init__(self, f):\n        self.f = f\n    def __call__(self):\n"
        "        return self.f()\n@Deco\ndef f():\n    return 3\n",
        "m.f()",
        "return 3",
        "return 4",
    ),
    "lru_cache": Attack(
        "import functools\n@functools.lru_cache\ndef f():\n    return 3\n", "m.f()", "return 3", "return 4"
    ),
    "singledispatch": Attack(
        "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n"
        "@f.register\ndef _(x: int):\n    return 3\n",
        "m.f(1)",
        "return 3",
        "return 4",
    ),
    "nested_function": Attack(
        "def f():\n    def g():\n        return [h() for h in [lambda: 3]]\n    return g()\n",
        "m.f()",
        "3",
        "4",
    ),
    "dataclass_default": Attack(
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    n: int = 3\n", "m.C().n", "3", "4"
    ),
    "dataclass_factory": Attack(
        "import dataclasses\ndef make():\n    return 3\n@dataclasses.dataclass\nclass C:\n"
        "    n: int = dataclasses.field(default_factory=make)\n",
        "m.C().n",
        "return 3",
        "return 4",
    ),
    "dataclass_lambda_factory": Attack(
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n"
        "    n: list = dataclasses.field(default_factory=lambda: [3])\n",
        "m.C().n",
        "[3]",
        "[4]",
    ),
    "namedtuple_default": Attack(
        "import collections\nC = collections.namedtuple('C', 'n', defaults=(3,))\n", "m.C().n", "3", "4"
    ),
    "enum_value": Attack(
        "import enum\nclass E(enum.Enum):\n    A = 3\n",
        "m.E.A.value",
        "3",
        "4",
    ),
    "method_of_a_text_enum": Attack(
        "import enum\nclass E(str, enum.Enum):\n    A = 'a'\n    def f(self):\n        return 3\nDEFAULT = E.A\n",
        "m.DEFAULT.f()",
        "return 3",
        "return 4",
    ),
    "subclass_of_dict": Attack(
        "class D(dict):\n    def __missing__(self, key):\n        return 3\nTABLE = D(a=1)\n",
        "m.TABLE['b']",
        "return 3",
        "return 4",
    ),
    "subclass_of_int": Attack(
        "class Money(int):\n    def shown(self):\n        return 3\nPRICE = Money(1)\n",
        "m.PRICE.shown()",
        "return 3",
        "return 4",
    ),
    "inherited_method": Attack(
        "class A:\n    def f(self):\n        return 3\nclass B(A):\n    pass\n",
        "m.B().f()",
        "return 3",
        "return 4",
    ),
    "class_keyword_of_a_base": Attack(
        "class A:\n    def __init_subclass__(cls, n):\n        cls.n = n\nclass B(A, n=3):\n    pass\n",
        "m.B.n",
        "n=3",
        "n=4",
    ),
    "metaclass": Attack(
        "class M(type):\n    def f(cls):\n        return 3\nclass C(metaclass=M):\n    pass\n",
        "m.C.f()",
        "return 3",
        "return 4",
    ),
    "function_attribute": Attack("def f():\n    return f.n\nf.n = 3\n", "m.f()", "n = 3", "n = 4"),
    "docstring_as_data": Attack('def f():\n    "Say 3."\n    return 1\n', "m.f.__doc__", "Say 3", "Say 4"),
    "annotations_as_data": Attack(
        "import typing\ndef f(x: 'three'):\n    return 1\n", "m.f.__annotations__", "three", "four"
    ),
    "bound_method_of_an_object": Attack(
        "class C:\n    def __init__(self, n):\n        self.n = n\n"
        "    def f(self):\n        return self.n\nf = C(3).f\n",
        "m.f()",
        "C(3)",
        "C(4)",
    ),
    "bound_method_of_a_text": Attack("f = '3{}'.format\n", "m.f(1)", "3", "4"),
    "list_of_functions": Attack(
        "def g():\n    return 3\nSTEPS = [g]\n", "m.STEPS[0]()", "return 3", "return 4"
    ),
    "long_list_of_objects": Attack(
        "class C:\n    def __init__(self, n):\n        self.n = n\n"
        "MANY = [C(n) for n in range(12_000)]\nMANY[11_000].n = 3\n",
        "m.MANY[11_000].n",
        ".n = 3",
        ".n = 4",
    ),
    "function_within_a_library_object": Attack(
        "import types\ndef g():\n    return 3\nBAG = types.SimpleNamespace(g=g)\n",
        "m.BAG.g()",
        "return 3",
        "return 4",
    ),
    "chosen_by_getattr": Attack(
        "def f_a():\n    return 3\n", "getattr(m, 'f_' + 'a')()", "return 3", "return 4"
    ),
    "getattr_in_a_helper": Attack(
        "import sys\ndef f_a():\n    return 3\ndef f(name):\n"
        "    return getattr(sys.modules[__name__], 'f_' + name)()\n",
        "m.f('a')",
        "return 3",
        "return 4",
    ),
    "globals_by_name": Attack(
        "def f_a():\n    return 3\ndef f(name):\n    return globals()['f_' + name]()\n",
        "m.f('a')",
        "return 3",
        "return 4",
    ),
    "eval_of_a_text": Attack(
        "def f_a():\n    return 3\ndef f(text):\n    return eval(text)\n",
        "m.f('f_' + 'a()')",
        "return 3",
        "return 4",
    ),
    "importlib": Attack(
        "def f():\n    return 3\n",
        "__import__('importlib').import_module('importlib_' + 'code').f()",
        "return 3",
        "return 4",
    ),
    "import_in_the_function": Attack(
        "N = 3\ndef f():\n    import import_in_the_function_code as me\n    return me.N\n",
        "m.f()",
        "N = 3",
        "N = 4",
    ),
    "call_of_a_library": Attack(
        "import decimal\nPREC = 3\nsetattr(decimal.getcontext(), 'prec', PREC)\n"
        "def f():\n    return str(decimal.Decimal(1) / 7)\n",
        "m.f()",
        "= 3",
        "= 4",
    ),
    "setting_of_a_library": Attack(
        "import decimal\ndecimal.getcontext().prec = 3\ndef f():\n    return str(decimal.Decimal(1) / 7)\n",
        "m.f()",
        "= 3",
        "= 4",
    ),
    "patched_library": Attack(
        "import math\ndef ours(x):\n    return 3\nmath.tau_of = ours\ndef f():\n    return math.tau_of(1)\n",
        "m.f()",
        "return 3",
        "return 4",
    ),
    "constant_of_a_library": Attack(
        "import math\nmath.our_constant = 3\ndef f():\n    return math.our_constant\n", "m.f()", "= 3", "= 4"
    ),
    "registry_filled_by_a_decorator": Attack(
        "FOUND = {}\ndef known(f):\n    FOUND[f.__name__] = f\n    return f\n@known\ndef g():\n    return 3\n"
        "def f():\n    return FOUND['g']()\n",
        "m.f()",
        "return 3",
        "return 4",
    ),
    "subclasses_of_a_class": Attack(
        "class Plugin:\n    pass\nclass P(Plugin):\n    def f(self):\n        return 3\n"
        "def f():\n    return Plugin.__subclasses__()[0]().f()\n",
        "m.f()",
        "return 3",
        "return 4",
    ),
    "property_of_an_object": Attack(
        "class C:\n    @property\n    def n(self):\n        return 3\nc = C()\n",
        "m.c.n",
        "return 3",
        "return 4",
    ),
    "descriptor": Attack(
        "class D:\n    def __get__(self, one, kind):\n        return 3\nclass C:\n    n = D()\n",
        "m.C().n",
        "return 3",
        "return 4",
    ),
    "generator": Attack("def f():\n    yield 3\n", "list(m.f())", "yield 3", "yield 4"),
    "class_of_an_artifact": Attack(
        "class C:\n    def f(self):\n        return 3\n",
        "self.given_class_of_an_artifact.f()",
        "return 3",
        "return 4",
        given="m.C()",
    ),
    "class_within_an_artifact": Attack(
        "class A:\n    def f(self):\n        return 3\nclass C(A):\n    pass\n",
        "self.given_class_within_an_artifact['deep'][0].f()",
        "return 3",
        "return 4",
        given="{'deep': [m.C()]}",
    ),
    "function_as_an_artifact": Attack(
        "import functools\ndef g(n):\n    return n + 3\n",
        "self.given_function_as_an_artifact()",
        "+ 3",
        "+ 4",
        given="__import__('functools').partial(m.g, 1)",
    ),
    "class_as_an_artifact": Attack(
        "class C:\n    N = 3\n", "self.given_class_as_an_artifact.N", "N = 3", "N = 4", given="m.C"
    ),
}


ACTING = (
    "function_attribute",
    "long_list_of_objects",
    "call_of_a_library",
    "setting_of_a_library",
    "patched_library",
    "constant_of_a_library",
)
"""Those whose modules have statements that act, and so count for every step of a flow: each needs one of its own."""


def flow_of(attacks: dict[str, Attack]) -> str:
    """Return the text of a flow with a cached step for each attack."""
    lines = ["from asyncflow import FlowSpec, cache, step"]
    lines += [f"import {name}_code" for name in attacks]
    lines += [
        "class AttackedFlow(FlowSpec):",
        "    @step",
        "    def start(self):",
        "        self.results = {}",
    ]
    for name, attack in attacks.items():
        if attack.given:
            lines += [f"        m = {name}_code", f"        self.given_{name} = {attack.given}"]
    names = list(attacks)
    lines += [f"        self.next(self.do_{names[0]})"]
    for name, after in zip(names, [*(f"do_{name}" for name in names[1:]), "end"], strict=True):
        used = (
            attacks[name].used.replace("m.", f"{name}_code.").replace("getattr(m,", f"getattr({name}_code,")
        )
        lines += ["    @cache", "    @step", f"    def do_{name}(self):"]
        lines += [f"        self.r_{name} = {used}", f"        self.next(self.{after})"]
    lines += ["    @step", "    def end(self):", "        pass", ""]
    return "\n".join(lines)
