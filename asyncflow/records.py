"""`@record`: a dataclass that costs next to nothing until it is used.

`dataclasses.dataclass` writes and compiles the source of five methods when a class is defined: 0.37 ms a class
(measured), 25 ms of every start for our classes, of which a run uses a part. A record means the same, with its slots
made at once, `__init__` compiled when the first object is made, and the other methods shared by all records.
`dataclasses.fields`, `replace`, `asdict`, `is_dataclass` and deriving a dataclass from a record work as ever; that
module is imported when one of them is used.

What nothing here needs is left out: `order`, `unsafe_hash`, `weakref_slot`, `InitVar`, `KW_ONLY`, and per field `hash`
and `kw_only`. Annotations are texts (`from __future__ import annotations`).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, NamedTuple, TypeVar, dataclass_transform, overload

__all__ = ["MISSING", "Field", "compile_now", "field", "fields", "record", "replace"]

_T = TypeVar("_T")
_Class = Any  # Any: a class under construction, whose attributes are read and set by name


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()  # Any: it stands where a default of any type would
"""No default."""


class Field:
    """What is known of one field."""

    __slots__ = ("compare", "default", "default_factory", "init", "name", "repr", "type")

    def __init__(self, default: object, factory: Any, *, init: bool, repr: bool, compare: bool) -> None:
        self.name = ""
        self.type = ""
        """The annotation, as written."""
        self.default = default
        """MISSING: there is none."""
        self.default_factory = factory
        """Makes the default, for each object anew. MISSING: there is none."""
        self.init = init
        self.repr = repr
        self.compare = compare

    @property
    def has_default(self) -> bool:
        """Whether it need not be given."""
        return self.default is not MISSING or self.default_factory is not MISSING

    def to_dataclass(self, kw_only: bool) -> Any:  # Any: a field of `dataclasses`
        """Return what `dataclasses` knows a field by."""
        import dataclasses

        given = {"default": self.default, "default_factory": self.default_factory}
        shown = dataclasses.field(
            **{name: value for name, value in given.items() if value is not MISSING},
            init=self.init,
            repr=self.repr,
            compare=self.compare,
            kw_only=kw_only,
        )
        shown.name, shown.type = self.name, self.type
        shown._field_type = getattr(dataclasses, "_FIELD")  # noqa: B009 - there is no public name for it
        return shown


def field(
    *,
    default: Any = MISSING,  # Any: of the field's type
    default_factory: Any = MISSING,  # Any: makes one
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:  # Any: stands for a value of the field's type in the class body
    """Say more of a field than its annotation does. The arguments are those of `dataclasses.field`.

    Raises:
        ValueError: Both `default` and `default_factory` are given.
    """
    if default is not MISSING and default_factory is not MISSING:
        raise ValueError("cannot specify both default and default_factory")
    return Field(default, default_factory, init=init, repr=repr, compare=compare)


def fields(cls: type) -> tuple[Field, ...]:
    """Return the fields of a record class, in order. For dataclasses in general see `dataclasses.fields`."""
    about: _About = getattr(cls, _ABOUT)
    return tuple(about.fields.values())


def replace(obj: _T, **changes: Any) -> _T:  # Any: values of the fields' types
    """Return a record like `obj` with other values of some fields. As `dataclasses.replace`, without its import."""
    given = {item.name: getattr(obj, item.name) for item in fields(type(obj)) if item.init}
    return type(obj)(**given | changes)


def compile_now(*classes: type) -> None:
    """Compile `__init__` of record classes: once in a process that forks, not in each of its forks."""
    for cls in classes:
        inspected = cls.__init__  # looking at it compiles it
        assert inspected is not None


@overload
def record(cls: type[_T], /) -> type[_T]: ...
@overload
def record(
    *, frozen: bool = True, slots: bool = True, kw_only: bool = True, eq: bool = True
) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(
    cls: type[_T] | None = None,
    /,
    *,
    frozen: bool = True,
    slots: bool = True,
    kw_only: bool = True,
    eq: bool = True,
) -> type[_T] | Callable[[type[_T]], type[_T]]:
    """Make a class a record. The arguments are those of `dataclasses.dataclass`, with the defaults we want.

    Raises:
        TypeError: It cannot be one, for the same reasons that `dataclasses.dataclass` has.
        ValueError: A default is mutable.
    """

    def make(cls: type[_T]) -> type[_T]:
        about = _About(_Params(eq=eq, frozen=frozen, kw_only=kw_only, slots=slots))
        about.collect(cls)
        about.equip(_with_slots(cls, about) if slots else _with_defaults(cls, about))
        return about.cls

    return make if cls is None else make(cls)


class _Params(NamedTuple):
    """Under the names that `dataclasses` looks for."""

    eq: bool
    frozen: bool
    kw_only: bool
    slots: bool
    init: bool = True
    repr: bool = True
    order: bool = False
    unsafe_hash: bool = False
    match_args: bool = True
    weakref_slot: bool = False


_ABOUT = "__record__"


class _About:
    """Everything known of one record class; the class has it as `__record__`."""

    __slots__ = ("_taken", "cls", "fields", "own", "params")

    def __init__(self, params: _Params) -> None:
        self.params = params
        self.fields: dict[str, Field] = {}
        self.own: tuple[str, ...] = ()
        """Names of the fields that the class itself annotates."""
        self.cls: _Class = object
        self._taken: Callable[[object], tuple[object, ...]] | None = None

    def collect(self, cls: _Class) -> None:
        """Read the fields of the class and of the records it derives from."""
        for base in cls.__mro__[-1:0:-1]:
            about: _About | None = base.__dict__.get(_ABOUT)
            if about is not None:
                if about.params.frozen is not self.params.frozen:
                    raise TypeError(f"{cls.__name__} and {base.__name__}: both must be frozen, or neither")
                self.fields |= about.fields
            elif "__dataclass_fields__" in base.__dict__:
                raise TypeError(f"{cls.__name__} cannot be a record: {base.__name__} is a dataclass")
        annotations: dict[str, str] = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - no inspect here
        self.own = tuple(name for name, kind in annotations.items() if not kind.startswith("ClassVar"))
        for name in self.own:
            self.fields[name] = _field_of(cls, name, annotations[name])
        for name, value in cls.__dict__.items():
            if isinstance(value, Field) and not value.name:
                raise TypeError(f"{name!r} is a field but has no type annotation")
        if not self.params.kw_only:
            _check_order(self.fields)

    def equip(self, cls: _Class) -> None:
        """Give the class what makes it a record, but keep the methods that it has written itself."""
        self.cls = cls
        params, written = self.params, cls.__dict__
        has_hash = "__hash__" in written and not (written["__hash__"] is None and "__eq__" in written)
        methods: dict[str, object] = {"__init__": _LazyInit(self), "__repr__": _repr}
        if params.eq:
            methods["__eq__"] = _eq
        if params.frozen and params.slots:
            methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
        positional = () if params.kw_only else tuple(name for name, item in self.fields.items() if item.init)
        methods["__match_args__"] = positional
        methods = {name: method for name, method in methods.items() if name not in written}
        if params.eq and not has_hash:
            methods["__hash__"] = _hash if params.frozen else None
        if params.frozen:
            if "__setattr__" in written or "__delattr__" in written:
                raise TypeError(f"Cannot overwrite attribute __setattr__ in class {cls.__name__}")
            methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        methods |= {_ABOUT: self, "__dataclass_params__": params, "__dataclass_fields__": _LazyFields(self)}
        for name, method in methods.items():
            setattr(cls, name, method)

    def taken(self, obj: object) -> tuple[object, ...]:
        """Return the values of an object that count when it is compared."""
        if self._taken is None:
            names = [name for name, item in self.fields.items() if item.compare]
            if len(names) > 1:
                self._taken = attrgetter(*names)
            else:  # of one name it would give the value itself, of none nothing at all
                self._taken = lambda obj: tuple([getattr(obj, name) for name in names])
        return self._taken(obj)

    def compile_init(self) -> Callable[..., None]:
        """Write and compile `__init__`."""
        known: dict[str, Any] = {"_absent": MISSING}  # Any: the function's globals
        given: list[str] = []
        body: list[str] = []
        for name, item in self.fields.items():
            is_made = item.default_factory is not MISSING
            if not (item.init or is_made or (self.params.slots and item.has_default)):
                continue  # the class's attribute is the default, if there is one
            value = _default(name, item, known)
            if item.init:
                given.append(name if not item.has_default else f"{name}={value}")
                if is_made:
                    given[-1] = f"{name}=_absent"
                    body.append(f"if {name} is _absent: {name} = {value}")
                value = name
            body.append(self._assignment(name, value, known))
        if hasattr(self.cls, "__post_init__"):
            body.append("self.__post_init__()")
        star = ["*"] if self.params.kw_only and given else []
        head = ", ".join(["self", *star, *given])
        exec(f"def __init__({head}):\n " + "\n ".join(body or ["pass"]), known)  # noqa: S102 - our fields' names
        made = known["__init__"]
        made.__module__ = self.cls.__module__
        made.__qualname__ = f"{self.cls.__qualname__}.__init__"
        made.__annotations__ = {name: item.type for name, item in self.fields.items() if item.init}
        return made

    def _assignment(self, name: str, value: str, known: dict[str, Any]) -> str:  # Any: as above
        if not self.params.frozen:
            return f"self.{name} = {value}"
        slot: Any = getattr(self.cls, name, None)  # Any: a slot has no public type
        if type(slot).__name__ == "member_descriptor":
            known[f"_set_{name}"] = slot.__set__  # a third faster than object.__setattr__
            return f"_set_{name}(self, {value})"
        known["_set"] = object.__setattr__
        return f"_set(self, {name!r}, {value})"


def _default(name: str, item: Field, known: dict[str, Any]) -> str:  # Any: globals of the function to be made
    """Return the expression of a field's default, and let `known` have what it refers to."""
    if item.default_factory is not MISSING:
        known[f"_make_{name}"] = item.default_factory
        return f"_make_{name}()"
    known[f"_default_{name}"] = item.default
    return f"_default_{name}"


class _LazyInit:
    """Stands for `__init__` until that is looked at."""

    __slots__ = ("_about",)

    def __init__(self, about: _About) -> None:
        self._about = about

    def __get__(self, obj: object, owner: type | None = None) -> Any:  # Any: function or bound method
        made: Any = self._about.compile_init()  # Any: a function
        self._about.cls.__init__ = made
        return made if obj is None else made.__get__(obj)


class _LazyFields:
    """Stands for `__dataclass_fields__` until that is looked at."""

    __slots__ = ("_about",)

    def __init__(self, about: _About) -> None:
        self._about = about

    def __get__(
        self, obj: object, owner: type | None = None
    ) -> dict[str, Any]:  # Any: fields of `dataclasses`
        about = self._about
        made: dict[str, Any] = {}
        for name, item in about.fields.items():
            made[name] = item.to_dataclass(about.params.kw_only)
        about.cls.__dataclass_fields__ = made
        return made


# How a class is taken apart and put together again


def _field_of(cls: _Class, name: str, kind: str) -> Field:
    value = getattr(cls, name, MISSING)
    if isinstance(value, Field):
        item = value
    elif type(value).__name__ == "member_descriptor":
        item = Field(MISSING, MISSING, init=True, repr=True, compare=True)
    else:
        item = Field(value, MISSING, init=True, repr=True, compare=True)
    if item.default is not MISSING and type(item.default).__hash__ is None:
        raise ValueError(
            f"mutable default {type(item.default)} for field {name} is not allowed: use default_factory"
        )
    item.name, item.type = name, kind
    return item


def _check_order(by_name: dict[str, Field]) -> None:
    has_default = False
    for name, item in by_name.items():
        if item.init and has_default and not item.has_default:
            raise TypeError(f"non-default argument {name!r} follows default argument")
        has_default = has_default or (item.init and item.has_default)


def _with_slots(cls: _Class, about: _About) -> _Class:
    """Make the class anew with slots for its fields, as a class gets them only when it is made."""
    if "__slots__" in cls.__dict__:
        raise TypeError(f"{cls.__name__} already specifies __slots__")
    inherited: set[str] = set()
    for base in cls.__mro__[1:-1]:
        slots = base.__dict__.get("__slots__", ())
        inherited |= {slots} if isinstance(slots, str) else set(slots)
    written = {name: value for name, value in cls.__dict__.items() if name not in about.fields}
    written.pop("__dict__", None)
    written.pop("__weakref__", None)
    written["__slots__"] = tuple(name for name in about.fields if name not in inherited)
    written["__qualname__"] = cls.__qualname__
    return type(cls)(cls.__name__, cls.__bases__, written)


def _with_defaults(cls: _Class, about: _About) -> _Class:
    """Leave each field's default, and nothing else, as the class's attribute."""
    for name in about.own:
        default = about.fields[name].default
        if default is not MISSING:
            setattr(cls, name, default)
        elif name in cls.__dict__:
            delattr(cls, name)
    return cls


# The methods that all records share


def _about(obj: object) -> _About:
    return getattr(type(obj), _ABOUT)


@recursive_repr()
def _repr(self: object) -> str:
    shown = [f"{name}={getattr(self, name)!r}" for name, item in _about(self).fields.items() if item.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: object, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    about = _about(self)
    return about.taken(self) == about.taken(other)


def _hash(self: object) -> int:
    return hash(_about(self).taken(self))


def _refuse_to_set(self: object, name: str, value: object) -> None:
    _refuse(self, name, "assign to")
    object.__setattr__(self, name, value)


def _refuse_to_delete(self: object, name: str) -> None:
    _refuse(self, name, "delete")
    object.__delattr__(self, name)


def _refuse(obj: object, name: str, what: str) -> None:
    about = _about(obj)
    if type(obj) is about.cls or name in about.fields:
        from dataclasses import FrozenInstanceError  # the class that callers know

        raise FrozenInstanceError(f"cannot {what} field {name!r}")


def _getstate(self: object) -> list[object]:
    return [getattr(self, name) for name in _about(self).fields]


def _setstate(self: object, state: list[object]) -> None:
    for name, value in zip(_about(self).fields, state, strict=True):
        object.__setattr__(self, name, value)
