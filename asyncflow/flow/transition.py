"""Reading `self.next(...)` from the syntax tree of a step: the last statement says where the flow goes."""

from __future__ import annotations

import ast
from typing import Any

from asyncflow.flow.graph import NextProblem, ProblemKind
from asyncflow.machine.graph import Transition
from asyncflow.records import field, record

__all__ = ["SHAPES", "ParsedNext", "read_next"]

SHAPES = (
    "self.next(self.a)",
    "self.next(self.a, self.b)",
    "self.next(self.a, foreach='items')",
    "self.next(self.a, num_parallel=4)",
    "self.next({'x': self.a, 'y': self.b}, condition='kind')",
)
"""Every form of `self.next` that can be read from the source."""


@record
class ParsedNext:
    """What a step's last statement says."""

    line: int
    transition: Transition | None = None
    targets: tuple[str, ...] = ()
    problem: NextProblem | None = None
    condition: str | None = None
    cases: dict[Any, str] = field(default_factory=dict[Any, str])  # Any: literal constants
    foreach: str | None = None
    num_parallel: int | None = None


class _Unreadable(Exception):
    """The call has none of the known shapes."""

    def __init__(self, message: str, kind: ProblemKind = ProblemKind.SHAPE) -> None:
        super().__init__(message)
        self.kind = kind


def read_next(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ParsedNext:
    """Read where a step goes. What cannot be read is told in `problem`, never raised."""
    tail = function.body[-1]
    names = [*function.args.posonlyargs, *function.args.args]
    this = names[0].arg if names else "self"
    if isinstance(tail, ast.Expr) and isinstance(tail.value, ast.Await) and _is_next(tail.value.value, this):
        message = "self.next is not to be awaited: write it without `await`"
        return ParsedNext(line=tail.lineno, problem=NextProblem(ProblemKind.SHAPE, message))
    if not isinstance(tail, ast.Expr) or not _is_next(tail.value, this):
        problem = NextProblem(ProblemKind.MISSING, "its last statement is not self.next(...)")
        return ParsedNext(line=tail.lineno, problem=problem)
    try:
        return _read_call(tail.value, this, tail.lineno)
    except _Unreadable as error:
        return ParsedNext(line=tail.lineno, problem=NextProblem(error.kind, str(error)))


def _is_next(node: ast.expr, this: str) -> bool:
    return isinstance(node, ast.Call) and _attribute_of(node.func, this) == "next"


def _attribute_of(node: ast.expr, this: str) -> str | None:
    """Return `x` of `self.x`, or None for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == this:
        return node.attr
    return None


def _read_call(call: ast.expr, this: str, line: int) -> ParsedNext:
    assert isinstance(call, ast.Call)
    options = {keyword.arg or "**": keyword.value for keyword in call.keywords}
    unknown = [name for name in options if name not in ("foreach", "num_parallel", "condition")]
    if unknown:
        raise _Unreadable(f"self.next has no option '{unknown[0]}'")
    if len(options) > 1:
        raise _Unreadable(f"{' and '.join(options)} exclude each other")
    if "condition" in options or (len(call.args) == 1 and isinstance(call.args[0], ast.Dict)):
        return _read_switch(call, options.get("condition"), this, line)
    targets = tuple(_target(node, this) for node in call.args)
    if not targets:
        raise _Unreadable("self.next names no step")
    if len(set(targets)) != len(targets):
        raise _Unreadable(f"self.next names a step twice: {', '.join(targets)}")
    if not options:
        kind = Transition.LINEAR if len(targets) == 1 else Transition.SPLIT
        return ParsedNext(line=line, transition=kind, targets=targets)
    if len(targets) != 1:
        raise _Unreadable(f"self.next with {next(iter(options))}= takes one step, not {len(targets)}")
    if "foreach" in options:
        name = _text(options["foreach"], "foreach")
        return ParsedNext(line=line, transition=Transition.FOREACH, targets=targets, foreach=name)
    size = options["num_parallel"]
    number = size.value if isinstance(size, ast.Constant) else None
    return ParsedNext(
        line=line,
        transition=Transition.PARALLEL,
        targets=targets,
        num_parallel=number if isinstance(number, int) else None,
    )


def _read_switch(call: ast.Call, condition: ast.expr | None, this: str, line: int) -> ParsedNext:
    if condition is None:
        raise _Unreadable("its self.next has cases but no condition=", ProblemKind.SWITCH)
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Dict):
        raise _Unreadable("its self.next has condition= but no dictionary of cases", ProblemKind.SWITCH)
    cases: dict[Any, str] = {}
    for key, value in zip(call.args[0].keys, call.args[0].values, strict=True):
        case = _case(key)
        if case in cases:
            raise _Unreadable(
                f"its switch has case {case!r} twice (1 and True are the same)", ProblemKind.SWITCH
            )
        cases[case] = _target(value, this)
    targets = tuple(dict.fromkeys(cases.values()))
    if len(cases) < 2 or len(targets) < 2:
        raise _Unreadable(
            f"its switch has {len(cases)} case(s) with {len(targets)} step(s); it needs at least two of each",
            ProblemKind.SWITCH,
        )
    return ParsedNext(
        line=line,
        transition=Transition.SWITCH,
        targets=targets,
        condition=_text(condition, "condition"),
        cases=cases,
    )


def _case(key: ast.expr | None) -> Any:  # Any: a literal constant
    if key is None:
        raise _Unreadable("its switch unpacks cases with **; write them out", ProblemKind.SWITCH)
    try:
        case = ast.literal_eval(key)
        hash(case)
    except (ValueError, TypeError):
        raise _Unreadable(
            f"its switch has the case {ast.unparse(key)}, which is no literal constant", ProblemKind.SWITCH
        ) from None
    return case


def _target(node: ast.expr, this: str) -> str:
    name = _attribute_of(node, this)
    if name is None:
        raise _Unreadable(f"{ast.unparse(node)[:80]} is not written as {this}.<step>")
    return name


def _text(node: ast.expr, option: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _Unreadable(f"{option}= must be the name of an attribute in quotes, not {ast.unparse(node)[:80]}")
