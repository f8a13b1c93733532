"""Records mean what dataclasses mean: shown by making the same class both ways."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow import records
from asyncflow.records import MISSING, record

NAMES = ("alpha", "beta", "gamma", "delta")
VALUES = st.one_of(st.none(), st.integers(-2, 2), st.text(max_size=2), st.just(float("nan")))
RECORDS = types.ModuleType("made_records")
DATACLASSES = types.ModuleType("made_dataclasses")
sys.modules |= {"made_records": RECORDS, "made_dataclasses": DATACLASSES}

Twins = tuple[Any, Any]
"""The record class and the dataclass."""


@dataclasses.dataclass(frozen=True)
class Options:
    frozen: bool
    slots: bool
    kw_only: bool
    eq: bool


@dataclasses.dataclass(frozen=True)
class Said:
    """What is said of one field."""

    name: str
    kind: str
    """`plain`, `value`, `default`, or `factory`: nothing, a value, or field() with one of both."""
    value: Any
    init: bool
    repr: bool
    compare: bool


def body_of(said: list[Said], module: types.ModuleType, field: Callable[..., Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "__annotations__": {one.name: "object" for one in said},
        "__module__": module.__name__,
        "__qualname__": "Made",
        "__doc__": "Made for a test.",
    }
    for one in said:
        how = {"init": one.init, "repr": one.repr, "compare": one.compare}
        if one.kind == "value":
            body[one.name] = one.value
        elif one.kind == "default":
            body[one.name] = field(default=one.value, **how)
        elif one.kind == "factory":
            body[one.name] = field(default_factory=list, **how)
    return body


def make_twins(said: list[Said], options: Options, *, base: Twins = (object, object)) -> Twins | None:
    """Make the class both ways; None if neither is possible, for the same reason."""
    settings = dataclasses.asdict(options)
    made: list[Any] = []
    for module, field, decorate, below in (
        (RECORDS, records.field, record, base[0]),
        (DATACLASSES, dataclasses.field, dataclasses.dataclass, base[1]),
    ):
        cls = type("Made", (below,), body_of(said, module, field))
        made.append(outcome_of(lambda cls=cls, decorate=decorate: decorate(**settings)(cls)))
        module.Made = made[-1]  # type: ignore[attr-defined]  # where pickle finds it
    if TypeError in made:
        assert made == [TypeError, TypeError]
        return None
    return made[0], made[1]


options_st = st.builds(Options, st.booleans(), st.booleans(), st.booleans(), st.booleans())


@st.composite
def said_st(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> list[Said]:
    said: list[Said] = []
    for name in draw(st.lists(st.sampled_from(names), unique=True)):
        kind = draw(st.sampled_from(["plain", "value", "default", "factory"]))
        is_said = kind in ("default", "factory")
        flags = [draw(st.booleans()) if is_said else True for _ in range(3)]
        said.append(Said(name, kind, draw(VALUES), *flags))
    return said


def outcome_of(call: Callable[[], Any]) -> object:
    """What a call gave, or the type of what it raised."""
    try:
        return call()
    except Exception as error:
        return type(error)


def same(call: Callable[[Any], Any], twins: Twins) -> object:
    """See that both give the same; return it."""
    ours, theirs = (outcome_of(lambda cls=cls: call(cls)) for cls in twins)
    assert repr(ours) == repr(theirs)
    return ours


@given(said_st(), options_st, st.data())
def test_a_record_behaves_as_the_same_dataclass(
    said: list[Said], options: Options, data: st.DataObject
) -> None:
    twins = make_twins(said, options)
    if twins is None:
        return
    drawn = {one.name: data.draw(VALUES) for one in said if data.draw(st.booleans())}
    same(lambda cls: cls(**drawn), twins)
    same(lambda cls: cls(*drawn.values()), twins)
    same(lambda cls: cls(unknown=1), twins)
    made = [outcome_of(lambda cls=cls: cls(**drawn)) for cls in twins]
    if isinstance(made[0], type):
        return
    other = drawn | {name: data.draw(VALUES) for name in drawn if data.draw(st.booleans())}
    for compare in (
        lambda cls: cls(**drawn) == cls(**drawn),
        lambda cls: cls(**drawn) == cls(**other),
        lambda cls: cls(**drawn) != cls(**other),
        lambda cls: cls(**drawn) == 1,
        lambda cls: (hash(cls(**drawn)) == hash(cls(**drawn))) and options.eq,
        lambda cls: cls.__hash__ is None,
        lambda cls: cls.__match_args__,
        lambda cls: [(f.name, f.type, f.init, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(cls)],
        lambda cls: dataclasses.asdict(cls(**drawn)),
        lambda cls: dataclasses.replace(cls(**drawn), **other),
        lambda cls: (records if hasattr(cls, "__record__") else dataclasses).replace(cls(**drawn), **other),
        lambda cls: copy.copy(cls(**drawn)),
        lambda cls: copy.deepcopy(cls(**drawn)),
        lambda cls: pickle.loads(pickle.dumps(cls(**drawn))),
        lambda cls: hasattr(cls(**drawn), "__dict__"),
        lambda cls: [name for name in NAMES if hasattr(cls, name)],
        lambda cls: cls.__slots__,
        lambda cls: setattr(cls(**drawn), next(iter(drawn)), 1),
        # Where it has slots too, a frozen dataclass of Python 3.11 raises a TypeError about super().
        lambda cls: (options.frozen and options.slots) or setattr(cls(**drawn), "unknown", 1),
        lambda cls: delattr(cls(**drawn), next(iter(drawn))),
        lambda cls: list(inspect.signature(cls).parameters),
        lambda cls: cls.__qualname__ + str(cls.__doc__),
    ):
        same(compare, twins)


@given(said_st(NAMES[:3]), said_st(), options_st, st.data())
def test_a_record_that_derives_from_one_behaves_as_the_same_dataclass(
    below: list[Said], above: list[Said], options: Options, data: st.DataObject
) -> None:
    bases = make_twins(below, options)
    made = bases and make_twins(above, options, base=bases)
    if made is None:
        return
    drawn = {one.name: data.draw(VALUES) for one in (*below, *above) if data.draw(st.booleans())}
    for compare in (
        lambda cls: cls(**drawn),
        lambda cls: cls(**drawn) == cls(**drawn),
        lambda cls: dataclasses.asdict(cls(**drawn)),
        lambda cls: pickle.loads(pickle.dumps(cls(**drawn))),
        lambda cls: cls.__slots__,
        lambda cls: cls.__match_args__,
        lambda cls: setattr(cls(**drawn), next(iter(drawn)), 1),
    ):
        same(compare, made)


@record
class Point:
    """A bare decorator takes the defaults."""

    kind: ClassVar[str] = "point"
    x: int
    y: int = 0
    seen: list[int] = records.field(default_factory=list[int], compare=False)


@record(frozen=False, kw_only=False)
class Row:
    x: int
    y: int = 0

    def __post_init__(self) -> None:
        self.y += 1


class Marked(Point):
    """No record itself, so it has a dictionary."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weighted(Point):
    weight: int = 1


def test_what_is_annotated_as_a_class_variable_is_no_field() -> None:
    assert [item.name for item in records.fields(Point)] == ["x", "y", "seen"]
    assert Point(x=1).kind == "point"


def test_each_object_gets_a_default_of_its_own_from_a_factory() -> None:
    one, other = Point(x=1), Point(x=1)
    one.seen.append(1)
    assert (one.seen, other.seen) == ([1], [])
    assert one == other


def test_records_match_by_name_and_by_position() -> None:
    match Point(x=1, y=2):
        case Point(x=1, y=found):
            assert found == 2
        case _:
            pytest.fail("no match")
    match Row(1, 2):
        case Row(1, found):
            assert found == 3
        case _:
            pytest.fail("no match")


def test_a_plain_class_below_a_record_may_have_more_attributes_but_not_change_the_fields() -> None:
    marked = Marked(x=1)
    marked.more = 1  # type: ignore[attr-defined]
    assert marked.more == 1  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        marked.x = 2
    assert marked == Marked(x=1)
    assert marked != Point(x=1)


def test_a_dataclass_may_derive_from_a_record() -> None:
    weighted = Weighted(x=1, weight=3)
    assert repr(weighted) == "Weighted(x=1, y=0, seen=[], weight=3)"
    assert dataclasses.replace(weighted, x=2) == Weighted(x=2, weight=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        weighted.x = 2


def test_a_record_that_holds_itself_can_be_shown() -> None:
    row: Any = Row(1)
    row.x = row
    assert repr(row) == "Row(x=..., y=1)"


def test_a_record_may_write_its_own_methods() -> None:
    @record
    class Own:
        x: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert Own(x=1) == 3
    assert (hash(Own(x=1)), repr(Own(x=1))) == (7, "own")


def test_what_makes_no_dataclass_makes_no_record() -> None:
    def bare(cls: type) -> type:
        return record(cls)

    with pytest.raises(ValueError, match="mutable default <class 'list'> for field x"):
        bare(type("Bad", (), {"__annotations__": {"x": "list"}, "x": []}))
    with pytest.raises(TypeError, match="'x' is a field but has no type annotation"):
        bare(type("Bad", (), {"x": records.field(default=1)}))
    with pytest.raises(TypeError, match="already specifies __slots__"):
        bare(type("Bad", (), {"__slots__": ()}))
    with pytest.raises(TypeError, match="both must be frozen, or neither"):
        bare(type("Bad", (Row,), {}))
    with pytest.raises(TypeError, match="Weighted is a dataclass"):
        bare(type("Bad", (Weighted,), {}))
    with pytest.raises(TypeError, match="Cannot overwrite attribute __setattr__"):
        bare(type("Bad", (), {"__setattr__": object.__setattr__}))
    with pytest.raises(ValueError, match="cannot specify both"):
        records.field(default=1, default_factory=list)


def test_fields_say_what_they_were_told() -> None:
    x, y, seen = records.fields(Point)
    assert (x.type, x.has_default, y.default, seen.default_factory) == ("int", False, 0, list[int])
    assert repr(x.default) == "MISSING"
    assert x.default is MISSING


def test_init_is_compiled_when_it_is_first_used_or_when_that_is_asked_for() -> None:
    @record
    class Early:
        x: int

    assert "__init__" in vars(Early)
    assert not inspect.isfunction(vars(Early)["__init__"])
    records.compile_now(Early)
    assert inspect.isfunction(vars(Early)["__init__"])


def test_making_and_using_records_imports_no_dataclasses() -> None:
    code = (
        "from __future__ import annotations\n"
        "import sys\n"
        "from asyncflow.records import record\n"
        "@record\n"
        "class A:\n x: int\n"
        "assert A(x=1) == A(x=1) and hash(A(x=1)) and repr(A(x=1)) == 'A(x=1)'\n"
        "print('dataclasses' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
