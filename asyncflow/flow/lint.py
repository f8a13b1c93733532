"""The rules a graph must keep, checked before a run starts. The table `RULES` at the end lists them in order.

A rule is a function that yields an error for every place that breaks it. The first error found is raised. Later
rules may trust what earlier ones have checked: that targets exist, that there is one start, that nothing loops.

Theory of rules L16 to L19. A split, foreach or gang opens a scope, a join closes the innermost open one. So on every
edge of the graph one can say which splits are open (`Arrival.splits`), and a good graph is one in which all edges
into a step agree about it, the end has none open, and each split is closed by one join that all its branches reach.
Switches open nothing: their branches meet again in any plain step.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from asyncflow.flow.decorators.builtin import Parallel
from asyncflow.flow.errors import LintError
from asyncflow.flow.graph import FlowGraph, ProblemKind, StepInfo
from asyncflow.flow.parameters import RESERVED_ATTRIBUTES
from asyncflow.flow.scopes import branch_overlap, cycle
from asyncflow.flow.steps import is_step
from asyncflow.flow.transition import SHAPES
from asyncflow.machine.graph import Transition

__all__ = ["RULES", "Rule", "check"]

_STEP_NAME = re.compile(r"[a-z0-9][a-z0-9_]*\Z")

Issues = Iterator[LintError]


class Rule(NamedTuple):
    """One rule."""

    id: str
    text: str
    """The rule in one line."""
    find: Callable[[FlowGraph], Issues]


def check(graph: FlowGraph) -> None:
    """Check a graph against every rule.

    Raises:
        LintError: The first rule that is broken, and where.
    """
    for rule in RULES:
        for issue in rule.find(graph):
            issue.rule = rule.id
            raise issue


def _at_step(info: StepInfo, message: str, hint: str) -> LintError:
    return LintError(message, where=info.where, source=info.source, hint=hint)


def _at_next(info: StepInfo, message: str, hint: str) -> LintError:
    return LintError(message, where=info.next_where, source=info.next_source, hint=hint)


def _reserved_names(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.name in RESERVED_ATTRIBUTES:
            yield _at_step(info, f"A step cannot be called '{info.name}': the word is reserved", "Rename it.")


def _step_names(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if not _STEP_NAME.match(info.name):
            hint = "Use lower-case letters, digits and '_', and do not begin with '_'."
            yield _at_step(info, f"'{info.name}' cannot be the name of a step", hint)


def _argument_counts(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.num_args not in (1, 2):
            hint = f"Write def {info.name}(self), or def {info.name}(self, inputs) for a join."
            yield _at_step(info, f"Step {info.name} takes {info.num_args} arguments", hint)


def _roles_are_unambiguous(graph: FlowGraph) -> Issues:
    for role, claimants in (("start", graph.starts), ("end", graph.ends)):
        named = graph.steps.get(role)
        if named is not None and claimants and role not in claimants:
            yield _at_step(
                named,
                f"Step {claimants[0]} is annotated with @step({role}=True), but another is called '{role}'",
                f"Rename step {role}, or take the annotation away.",
            )


def _one_start(graph: FlowGraph) -> Issues:
    yield from _one(graph, "start", graph.starts)


def _one_end(graph: FlowGraph) -> Issues:
    yield from _one(graph, "end", graph.ends)


def _one(graph: FlowGraph, role: str, claimants: tuple[str, ...]) -> Issues:
    if len(claimants) > 1:
        message = f"Flow {graph.name} has several {role} steps: {', '.join(claimants)}"
        yield _at_step(graph.steps[claimants[1]], message, f"Keep @step({role}=True) on one of them.")
    elif not claimants:
        what = f"has no {role} step" if graph.steps else "has no steps"
        hint = f"Add a step called '{role}', or annotate one with @step({role}=True)."
        yield LintError(
            f"Flow {graph.name} {what}",
            where=graph.where,
            source=linecache.getline(graph.file, graph.line).strip(),
            hint=hint,
        )


def _start_is_first(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if graph.start in info.targets:
            message = f"Step {info.name} goes to {graph.start}, but nothing may lead to the first step"
            yield _at_next(
                info, message, "Go to another step; put a step between to begin a loop with a switch."
            )


def _end_is_last(graph: FlowGraph) -> Issues:
    info = graph.steps[graph.end]
    if info.transition is not Transition.END:
        yield _at_next(info, f"Step {info.name} is the end, but has a self.next", "Take self.next away.")


def _end_is_no_join(graph: FlowGraph) -> Issues:
    info = graph.steps[graph.end]
    if info.is_join:
        hint = f"Write def {info.name}(self), and join in a step before it."
        yield _at_step(info, f"Step {info.name} is the end, and cannot be a join", hint)


def _joins_are_linear(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.is_join and info.transition not in (Transition.LINEAR, None):
            message = f"Step {info.name} takes inputs, so it is a join, and cannot split or switch"
            yield _at_next(info, message, "Go to one step, and split or switch there.")


def _has_next(graph: FlowGraph) -> Issues:
    for info in _problems(graph, ProblemKind.MISSING):
        message = f"Step {info.name} does not end with self.next(...)"
        hint = (
            "Make self.next the last statement, not inside if or for; to choose at run time use condition=."
        )
        yield _at_next(info, message, hint)


def _next_has_a_shape(graph: FlowGraph) -> Issues:
    for info in _problems(graph, ProblemKind.SHAPE):
        why = info.problem.message if info.problem else ""
        message = f"Step {info.name} has a self.next that cannot be read: {why}"
        yield _at_next(info, message, f"Write it in one of these forms: {'; '.join(SHAPES)}")


def _switch_has_cases(graph: FlowGraph) -> Issues:
    for info in _problems(graph, ProblemKind.SWITCH):
        why = info.problem.message if info.problem else ""
        yield _at_next(info, f"Step {info.name}: {why}", f"Write {SHAPES[-1]}")


def _problems(graph: FlowGraph, kind: ProblemKind) -> Iterator[StepInfo]:
    for info in graph.steps.values():
        if info.problem is not None and info.problem.kind is kind:
            yield info


def _targets_exist(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for target in info.targets:
            if target in graph.steps:
                continue
            import difflib  # for this message only; 1 ms

            method = getattr(graph.flow_class, target, None)
            close = difflib.get_close_matches(target, graph.steps, n=1)
            hint = f"Did you mean self.{close[0]}?" if close else f"Add a step called {target}."
            what = "which does not exist"
            if callable(method) and not is_step(method):
                what, hint = "which is not a step", f"Put @step above def {target}."
            yield _at_next(info, f"Step {info.name} goes to {target}, {what}", hint)


def _no_cycles(graph: FlowGraph) -> Issues:
    path = cycle(graph)
    if path:
        hint = "Break the loop. Only a switch may loop, and only to itself."
        yield _at_next(graph.steps[path[-2]], f"The flow runs in a circle: {' -> '.join(path)}", hint)


def _all_reachable(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.name not in graph.arrivals:
            hint = f"Go to it with self.next(self.{info.name}) somewhere, or take it away."
            yield _at_step(info, f"Step {info.name} can never be reached from {graph.start}", hint)


def _switch_leads_to_no_join(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for target in info.targets if info.transition is Transition.SWITCH else ():
            if graph.steps[target].is_join:
                message = f"The switch in step {info.name} goes straight to join {target}"
                hint = f"Put a step between: self.{info.name} -> a plain step -> self.{target}."
                yield _at_next(info, message, hint)


def _branches_have_steps(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for target in info.targets if info.opens else ():
            if graph.steps[target].is_join:
                message = f"Step {info.name} splits, and goes straight to join {target}"
                yield _at_next(info, message, f"Put at least one step between {info.name} and {target}.")


def _joins_have_a_split(graph: FlowGraph) -> Issues:
    for name, arrivals in graph.arrivals.items():
        info = graph.steps[name]
        if info.is_join and not any(arrival.splits for arrival in arrivals):
            message = f"Step {name} is a join (it takes inputs), but no split is open there"
            yield _at_step(info, message, f"Write def {name}(self), or split before it.")


def _joins_are_of_one_split(graph: FlowGraph) -> Issues:
    for name, arrivals in graph.arrivals.items():
        for arrival in arrivals[1:]:
            if arrival.splits == arrivals[0].splits:
                continue
            first, other = arrivals[0], arrival
            message = (
                f"Step {name} is reached from {first.source}, {_inside(first.splits)}, and from {other.source}, "
                f"{_inside(other.splits)}"
            )
            hint = "Join the branches of the inner split first, then the outer one."
            yield _at_next(graph.steps[other.source], message, hint)


def _inside(splits: tuple[str, ...]) -> str:
    return f"inside the split of {splits[-1]}" if splits else "outside any split"


def _end_is_outside_splits(graph: FlowGraph) -> Issues:
    for arrival in graph.arrivals.get(graph.end, ()):
        if arrival.splits:
            split = arrival.splits[-1]
            message = (
                f"Step {arrival.source} goes to {graph.end}, but the split of {split} has not been joined"
            )
            hint = f"Join first: a step with (self, inputs) that all branches of {split} go to."
            yield _at_next(graph.steps[arrival.source], message, hint)


def _joins_are_balanced(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if not info.opens:
            continue
        joins = [step for step in graph.steps.values() if step.closes == info.name]
        if len(joins) > 1:
            message = (
                f"The branches of {info.name} end in several joins: {', '.join(step.name for step in joins)}"
            )
            yield _at_step(joins[1], message, f"Let all branches of {info.name} go to one join.")
        overlap = branch_overlap(graph, info)
        if overlap:
            message = f"Step {overlap} is in more than one branch of the split in {info.name}, and is no join"
            hint = f"Write def {overlap}(self, inputs) to join there, or give each branch steps of its own."
            yield _at_step(graph.steps[overlap], message, hint)


def _gangs_lead_to_parallel(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for target in info.targets if info.transition is Transition.PARALLEL else ():
            if graph.steps[target].decorator(Parallel) is None:
                message = (
                    f"Step {info.name} goes to {target} with num_parallel, but {target} has no @parallel"
                )
                yield _at_next(info, message, f"Put @parallel above @step of {target}.")


def _parallel_leads_to_join(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.decorator(Parallel) is None:
            continue
        if info.transition is not Transition.LINEAR or not graph.steps[info.targets[0]].is_join:
            message = f"Step {info.name} has @parallel, so a join must follow it"
            yield _at_next(info, message, "Go to a step with (self, inputs).")


def _parallel_is_reached_by_gang(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.decorator(Parallel) is None:
            continue
        sources = [graph.steps[arrival.source] for arrival in graph.arrivals.get(info.name, ())]
        wrong = [source for source in sources if source.transition is not Transition.PARALLEL]
        for source in wrong:
            message = f"Step {info.name} has @parallel, but {source.name} goes to it without num_parallel"
            yield _at_next(source, message, f"Write self.next(self.{info.name}, num_parallel=4)")
        if not sources:
            message = f"Step {info.name} has @parallel, but is the first step"
            yield _at_step(info, message, "Reach it from another step with num_parallel=")


def _gangs_are_processes(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for target in info.targets if info.transition is Transition.PARALLEL else ():
            if graph.steps[target].is_async:
                message = (
                    f"Step {info.name} goes to {target} with num_parallel, but {target} is async: "
                    "the nodes of a gang need processes of their own"
                )
                hint = (
                    f'Put @step(isolation="process") on {target}, write it as a plain def, or use foreach=.'
                )
                yield _at_next(info, message, hint)


def _decorators_fit(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        for decorator in info.decorators:
            complaint = decorator.complaint(info)
            if complaint:
                message = f"Step {info.name} cannot have @{decorator.name}, because it {complaint}"
                hint = f"Take @{decorator.name} off this step (it may come from --with), or split in another one."
                yield _at_step(info, message, hint)


def _steps_are_plain(graph: FlowGraph) -> Issues:
    for info in graph.steps.values():
        if info.is_deferred:
            message = f"Step {info.name} has a yield, so calling it would run nothing"
            hint = "Write it without yield; a generator may be a function beside the step."
            yield _at_step(info, message, hint)


RULES: tuple[Rule, ...] = (
    Rule("L1", "no step has a reserved name", _reserved_names),
    Rule("L8", "step names are lower case, and do not begin with '_'", _step_names),
    Rule("L9", "a step takes self, a join self and inputs", _argument_counts),
    Rule("L4", "an annotated start or end has no rival called so", _roles_are_unambiguous),
    Rule("L2", "there is exactly one start", _one_start),
    Rule("L3", "there is exactly one end", _one_end),
    Rule("L6", "the end goes nowhere", _end_is_last),
    Rule("L7", "the end is no join", _end_is_no_join),
    Rule("L11", "every other step ends with self.next", _has_next),
    Rule("L12", "self.next has a form that can be read from the source", _next_has_a_shape),
    Rule("L20", "a switch has a condition and at least two cases", _switch_has_cases),
    Rule("L13", "every target is a step", _targets_exist),
    Rule("L5", "nothing leads to the start", _start_is_first),
    Rule("L10", "a join does not split or switch", _joins_are_linear),
    Rule("L14", "nothing loops but a switch to itself", _no_cycles),
    Rule("L15", "every step can be reached", _all_reachable),
    Rule("L26", "a switch does not go straight to a join", _switch_leads_to_no_join),
    Rule("L21", "a branch has at least one step before its join", _branches_have_steps),
    Rule("L16", "the end is outside every split", _end_is_outside_splits),
    Rule("L18", "a join has a split to close", _joins_have_a_split),
    Rule("L19", "a step is reached from one split only", _joins_are_of_one_split),
    Rule("L17", "one join closes a split, and all its branches", _joins_are_balanced),
    Rule("L22", "num_parallel leads to a step with @parallel", _gangs_lead_to_parallel),
    Rule("L23", "a join follows a step with @parallel", _parallel_leads_to_join),
    Rule("L24", "a step with @parallel is reached by num_parallel", _parallel_is_reached_by_gang),
    Rule("L27", "num_parallel does not lead to an async step", _gangs_are_processes),
    Rule("D2", "a step is a method or a coroutine method, without yield", _steps_are_plain),
    Rule("D1", "decorators are on steps that they can work on", _decorators_fit),
)
"""Every rule, in the order checked. L25 would forbid nested foreach, which is allowed here as in Metaflow."""
