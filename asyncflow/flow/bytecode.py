"""What can be told of code from its bytecode: a digest of what it does, and the names that it uses."""

from __future__ import annotations

import dis
import hashlib
import linecache
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

__all__ = ["Use", "code_digest", "imports_of", "nested_codes", "source_of", "text_digest", "used_names"]


def code_digest(code: CodeType) -> str:
    """Return a digest of what the code does, whatever its lines, comments and docstring are."""
    return text_digest(repr(_plain(code)))


class Use(NamedTuple):
    """A name that code uses."""

    kind: str
    """`global`, `attribute` or `import`."""
    chain: tuple[str, ...]
    """A name, and for a global the attributes that are asked of it directly."""


def used_names(code: CodeType) -> Iterator[Use]:
    """Yield the names that code uses, that of nested functions too."""
    for inner in nested_codes(code):
        chain: list[str] = []
        for instruction in dis.get_instructions(inner):
            name = instruction.opname
            is_attribute = name in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
            if chain and is_attribute:
                chain.append(instruction.argval)
            elif chain and name not in ("CACHE", "PUSH_NULL"):
                yield Use("global", tuple(chain))
                chain = []
            if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"):
                if chain:
                    yield Use("global", tuple(chain))
                chain = [instruction.argval]
            elif is_attribute:
                yield Use("attribute", (instruction.argval,))
            elif name == "IMPORT_NAME":
                yield Use("import", (instruction.argval,))
        if chain:
            yield Use("global", tuple(chain))


def imports_of(code: CodeType) -> Iterator[str]:
    """Yield the modules that code imports, by name as written."""
    return (used.chain[0] for used in used_names(code) if used.kind == "import")


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield code, and that of all functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_codes(constant)


def _plain(code: CodeType) -> tuple[object, ...]:
    """Return what makes the code, as plain values in an order that never changes."""
    constants: list[object] = list(code.co_consts)
    if constants and isinstance(constants[0], str) and not _loads_first(code):
        constants[0] = None  # the docstring
    return (
        code.co_name,
        code.co_code,
        tuple(_constant(constant) for constant in constants),
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
    )


def _loads_first(code: CodeType) -> bool:
    return any(
        instruction.arg == 0 and instruction.opname in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES")
        for instruction in dis.get_instructions(code)
    )


def _constant(constant: object) -> object:
    if isinstance(constant, CodeType):
        return _plain(constant)
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return (type(constant).__name__, repr(constant))


def source_of(code: CodeType) -> str:
    """Return the lines the code stands in."""
    last = max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)
    for inner in nested_codes(code):
        last = max([last, *(line for _, _, line in inner.co_lines() if line is not None)])
    return "".join(linecache.getlines(code.co_filename)[code.co_firstlineno - 1 : last])


def text_digest(text: str) -> str:
    """Return a digest of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
