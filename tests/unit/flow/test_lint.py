"""One bad flow per rule, and good graphs of every shape that must pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncflow.errors import ExitCode
from asyncflow.flow import lint
from asyncflow.flow.errors import LintError, MisplacedDecoratorError
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec

MakeSteps = Callable[[str], type[FlowSpec]]
MakeFlow = Callable[..., type[FlowSpec]]

SPLIT = "start: self.next(self.a, self.b)\n"
END = "\nend:"

# rule, steps, a word of the message, the source line the error shows
BAD: list[tuple[str, str, str, str]] = [
    ("L1", "start: self.next(self.cmd)\ncmd: self.next(self.end)\nend:", "'cmd'", "def cmd(self):"),
    ("L1", "start: self.next(self.index)\nindex: self.next(self.end)\nend:", "'index'", "def index(self):"),
    *(
        (
            "L1",
            f"start: self.next(self.end)\n{name}: self.next(self.end)\nend:",
            f"'{name}'",
            f"def {name}(self):",
        )
        for name in ("name", "next", "input", "merge_artifacts", "script_name")
    ),
    ("L2", "begin: self.next(self.end)\nend:", "no start", "class Made(FlowSpec):"),
    ("L3", "start: self.next(self.last)\nlast: self.next(self.start)", "no end", "class Made(FlowSpec):"),
    (
        "L5",
        "start: self.next(self.a)\na: self.next({1: self.start, 2: self.end}, condition='x')\nend:",
        "nothing may lead",
        "self.next({1: self.start, 2: self.end}, condition='x')",
    ),
    ("L5", "start: self.next(self.start)\nend:", "nothing may lead", "self.next(self.start)"),
    (
        "L6",
        "start: self.next(self.end)\nend: self.next(self.start)",
        "has a self.next",
        "self.next(self.start)",
    ),
    ("L6", "start: self.next(self.end)\nend: self.next()", "has a self.next", "self.next()"),
    (
        "L7",
        SPLIT + "a: self.next(self.end)\nb: self.next(self.end)\nend(self,inputs):",
        "cannot be a join",
        "def end(self,inputs):",
    ),
    ("L8", "start: self.next(self.Train)\nTrain: self.next(self.end)\nend:", "'Train'", "def Train(self):"),
    ("L8", "start: self.next(self._a)\n_a: self.next(self.end)\nend:", "'_a'", "def _a(self):"),
    (
        "L9",
        "start: self.next(self.a)\na(self,x,y): self.next(self.end)\nend:",
        "3 arguments",
        "def a(self,x,y):",
    ),
    ("L9", "start: self.next(self.a)\na(): self.next(self.end)\nend:", "0 arguments", "def a():"),
    (
        "L9",
        "start: self.next(self.a)\na(self,*,x=1,y=2): self.next(self.end)\nend:",
        "3 arguments",
        "def a(self,*,x=1,y=2):",
    ),
    (
        "L10",
        SPLIT + "a: self.next(self.j)\nb: self.next(self.j)\nj(self,inputs): self.next(self.c, self.d)\n"
        "c: self.next(self.k)\nd: self.next(self.k)\nk(self,inputs): self.next(self.end)\nend:",
        "cannot split",
        "self.next(self.c, self.d)",
    ),
    (
        "L10",
        SPLIT + "a: self.next(self.j)\nb: self.next(self.j)\n"
        "j(self,inputs): self.next({1: self.c, 2: self.end}, condition='x')\nc: self.next(self.end)\nend:",
        "cannot split or switch",
        "self.next({1: self.c, 2: self.end}, condition='x')",
    ),
    ("L11", "start: self.x = 1\nend:", "does not end with self.next", "self.x = 1"),
    (
        "L11",
        "start: return self.next(self.end)\nend:",
        "does not end with self.next",
        "return self.next(self.end)",
    ),
    ("L12", "start: self.next(self.end())\nend:", "self.end() is not written", "self.next(self.end())"),
    ("L12", "start: self.next('end')\nend:", "'end' is not written", "self.next('end')"),
    ("L12", "start: self.next()\nend:", "names no step", "self.next()"),
    ("L12", "start: self.next(*self.targets)\nend:", "not written", "self.next(*self.targets)"),
    (
        "L12",
        "start: self.next(self.a, self.a)\na: self.next(self.end)\nend:",
        "twice",
        "self.next(self.a, self.a)",
    ),
    (
        "L12",
        "start: self.next(self.a, foreach=self.xs)\na: self.next(self.j)\n"
        "j(self,inputs): self.next(self.end)\nend:",
        "in quotes",
        "self.next(self.a, foreach=self.xs)",
    ),
    (
        "L12",
        "start: self.next(self.a, self.b, foreach='xs')\na: self.next(self.end)\nb: self.next(self.end)\nend:",
        "takes one step",
        "self.next(self.a, self.b, foreach='xs')",
    ),
    (
        "L12",
        "start: self.next(self.a, foreach='xs', num_parallel=2)\na: self.next(self.end)\nend:",
        "exclude each other",
        "self.next(self.a, foreach='xs', num_parallel=2)",
    ),
    ("L12", "start: self.next(self.end, how=1)\nend:", "no option 'how'", "self.next(self.end, how=1)"),
    ("L12", "start: self.next(self.end, **self.o)\nend:", "no option '**'", "self.next(self.end, **self.o)"),
    (
        "L13",
        "start: self.next(self.trian)\ntrain: self.next(self.end)\nend:",
        "goes to trian",
        "self.next(self.trian)",
    ),
    (
        "L14",
        "start: self.next(self.a)\na: self.next(self.b)\nb: self.next(self.a)\nend:",
        "a -> b -> a",
        "self.next(self.a)",
    ),
    ("L14", "start: self.next(self.a)\na: self.next(self.a)\nend:", "a -> a", "self.next(self.a)"),
    (
        "L14",
        "start: self.next(self.a)\na: self.next({1: self.b, 2: self.end}, condition='x')\n"
        "b: self.next(self.a)\nend:",
        "a -> b -> a",
        "self.next(self.a)",
    ),
    (
        "L15",
        "start: self.next(self.end)\nlost: self.next(self.end)\nend:",
        "lost can never",
        "def lost(self):",
    ),
    (
        "L16",
        SPLIT + "a: self.next(self.end)\nb: self.next(self.end)\nend:",
        "split of start",
        "self.next(self.end)",
    ),
    (
        "L16",
        "start: self.next(self.a, foreach='xs')\na: self.next(self.end)\nend:",
        "split of start",
        "self.next(self.end)",
    ),
    (
        "L16",
        "start: self.next(self.a, self.b, self.c)\na: self.next(self.j)\nb: self.next(self.j)\n"
        "c: self.next(self.end)\nj(self,inputs): self.next(self.end)\nend:",
        "c goes to end",
        "self.next(self.end)",
    ),
    (
        "L17",
        "start: self.next(self.a, self.b, self.c)\na: self.next(self.j)\nb: self.next(self.j)\n"
        "c: self.next(self.k)\nj(self,inputs): self.next(self.end)\nk(self,inputs): self.next(self.end)\nend:",
        "several joins: j, k",
        "def k(self,inputs):",
    ),
    (
        "L17",
        SPLIT + "a: self.next(self.c)\nb: self.next(self.c)\nc: self.next(self.j)\n"
        "j(self,inputs): self.next(self.end)\nend:",
        "c is in more than one branch",
        "def c(self):",
    ),
    (
        "L17",
        "start: self.next(self.a, foreach='xs')\na: self.next({1: self.b, 2: self.c}, condition='x')\n"
        "b: self.next(self.j)\nc: self.next(self.k)\nj(self,inputs): self.next(self.end)\n"
        "k(self,inputs): self.next(self.end)\nend:",
        "several joins: j, k",
        "def k(self,inputs):",
    ),
    (
        "L18",
        "start: self.next(self.a)\na(self,inputs): self.next(self.end)\nend:",
        "no split is open",
        "def a(self,inputs):",
    ),
    (
        "L18",
        SPLIT + "a: self.next(self.j)\nb: self.next(self.j)\nj(self,inputs): self.next(self.k)\n"
        "k(self,inputs): self.next(self.end)\nend:",
        "k is a join",
        "def k(self,inputs):",
    ),
    (
        "L19",
        SPLIT + "a: self.next(self.c, self.d)\nb: self.next(self.j)\nc: self.next(self.j)\n"
        "d: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
        "inside the split of a",
        "self.next(self.j)",
    ),
    (
        "L19",
        "start: self.next({1: self.a, 2: self.b}, condition='x')\na: self.next(self.c, foreach='xs')\n"
        "b: self.next(self.c)\nc: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
        "outside any split",
        "self.next(self.c)",
    ),
    ("L20", "start: self.next({1: self.end})\nend:", "no condition=", "self.next({1: self.end})"),
    (
        "L20",
        "start: self.next(self.end, condition='x')\nend:",
        "no dictionary",
        "self.next(self.end, condition='x')",
    ),
    (
        "L20",
        "start: self.next({1: self.end}, condition='x')\nend:",
        "at least two",
        "self.next({1: self.end}, condition='x')",
    ),
    (
        "L20",
        "start: self.next({1: self.end, 2: self.end}, condition='x')\nend:",
        "at least two",
        "self.next({1: self.end, 2: self.end}, condition='x')",
    ),
    (
        "L20",
        "start: self.next({1: self.a, True: self.end}, condition='x')\na: self.next(self.end)\nend:",
        "twice",
        "self.next({1: self.a, True: self.end}, condition='x')",
    ),
    (
        "L20",
        "start: self.next({self.k: self.a, 2: self.end}, condition='x')\na: self.next(self.end)\nend:",
        "no literal constant",
        "self.next({self.k: self.a, 2: self.end}, condition='x')",
    ),
    (
        "L20",
        "start: self.next({**self.k, 2: self.end}, condition='x')\nend:",
        "unpacks",
        "self.next({**self.k, 2: self.end}, condition='x')",
    ),
    (
        "L21",
        "start: self.next(self.j, foreach='xs')\nj(self,inputs): self.next(self.end)\nend:",
        "straight to join j",
        "self.next(self.j, foreach='xs')",
    ),
    (
        "L21",
        "start: self.next(self.a, self.j)\na: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
        "straight to join j",
        "self.next(self.a, self.j)",
    ),
    (
        "L22",
        "start: self.next(self.a, num_parallel=2)\na: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
        "a has no @parallel",
        "self.next(self.a, num_parallel=2)",
    ),
    (
        "L23",
        "start: self.next(self.a, num_parallel=2)\na @parallel: self.next(self.b)\nb: self.next(self.j)\n"
        "j(self,inputs): self.next(self.end)\nend:",
        "a join must follow",
        "self.next(self.b)",
    ),
    (
        "L24",
        "start: self.next(self.a, foreach='xs')\na @parallel: self.next(self.j)\n"
        "j(self,inputs): self.next(self.end)\nend:",
        "without num_parallel",
        "self.next(self.a, foreach='xs')",
    ),
    (
        "L26",
        "start: self.next(self.s, foreach='xs')\ns: self.next({1: self.j, 2: self.b}, condition='x')\n"
        "b: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
        "straight to join j",
        "self.next({1: self.j, 2: self.b}, condition='x')",
    ),
    (
        "D1",
        "start @catch: self.next(self.a, foreach='xs')\na: self.next(self.j)\n"
        "j(self,inputs): self.next(self.end)\nend:",
        "cannot have @catch",
        "def start(self):",
    ),
    (
        "D1",
        "start @catch: self.next({1: self.a, 2: self.end}, condition='x')\na: self.next(self.end)\nend:",
        "is a switch",
        "def start(self):",
    ),
]

GOOD: dict[str, str] = {
    "linear": "start: self.next(self.a)\na: self.next(self.end)\nend:",
    "branch": SPLIT + "a: self.next(self.j)\nb: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
    "nested foreach (L25 is off)": "start: self.next(self.a, foreach='xs')\na: self.next(self.b, foreach='ys')\n"
    "b: self.next(self.j)\nj(self,inputs): self.next(self.k)\nk(self,inputs): self.next(self.end)\nend:",
    "branch in foreach": "start: self.next(self.s, foreach='xs')\ns: self.next(self.a, self.b)\n"
    "a: self.next(self.j)\nb: self.next(self.j)\nj(self,inputs): self.next(self.k)\n"
    "k(self,inputs): self.next(self.end)\nend:",
    "foreach in branch": SPLIT + "a: self.next(self.c, foreach='xs')\nc: self.next(self.j)\n"
    "j(self,inputs): self.next(self.k)\nb: self.next(self.k)\nk(self,inputs): self.next(self.end)\nend:",
    "switch in branch, cases meet in the join": SPLIT
    + "a: self.next({1: self.c, 2: self.d}, condition='x')\n"
    "c: self.next(self.j)\nd: self.next(self.j)\nb: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
    "switch in foreach, cases meet in a plain step": "start: self.next(self.a, foreach='xs')\n"
    "a: self.next({1: self.c, 2: self.d}, condition='x')\nc: self.next(self.e)\nd: self.next(self.e)\n"
    "e: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
    "foreach in a case of a switch": "start: self.next({1: self.a, 2: self.end}, condition='x')\n"
    "a: self.next(self.b, foreach='xs')\nb: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
    "recursion": "start: self.next(self.a)\na: self.next({True: self.a, False: self.end}, condition='x')\nend:",
    "recursion in foreach": "start: self.next(self.a, foreach='xs')\n"
    "a: self.next({True: self.a, False: self.b}, condition='x')\nb: self.next(self.j)\n"
    "j(self,inputs): self.next(self.end)\nend:",
    "gang": "start: self.next(self.a, num_parallel=self.n)\na @parallel: self.next(self.j)\n"
    "j(self,inputs): self.next(self.end)\nend:",
    "catch on a static split": "start @catch(var='e'): self.next(self.a, self.b)\na: self.next(self.j)\n"
    "b: self.next(self.j)\nj(self,inputs): self.next(self.end)\nend:",
    "any name for the inputs": SPLIT
    + "a: self.next(self.j)\nb: self.next(self.j)\nj(me,them): me.next(me.end)\nend:",
    "one step": "only:",
    "one step called end": "end:",
    "cases of every literal kind": "start: self.next({None: self.a, -1: self.b, 'x': self.end, (1, 2.5): self.a}, "
    "condition='x')\na: self.next(self.end)\nb: self.next(self.end)\nend:",
}


@pytest.mark.parametrize(
    ("rule", "steps", "words", "source"), BAD, ids=[f"{n}-{b[0]}" for n, b in enumerate(BAD)]
)
def test_a_bad_flow_is_refused_by_its_rule_with_file_line_source_and_advice(
    rule: str, steps: str, words: str, source: str, make_steps: MakeSteps
) -> None:
    graph = parse_flow(make_steps(steps))

    with pytest.raises(LintError) as caught:
        lint.check(graph)

    error = caught.value
    assert (error.rule, error.source) == (rule, source), error.message
    assert words in error.message
    assert error.hint
    assert error.exit_code == ExitCode.FAILURE
    file, line = re.fullmatch(r"(.*):(\d+)", error.where).groups()  # type: ignore[union-attr]
    shown = Path(file).read_text().splitlines()[int(line) - 1].strip()
    assert shown.startswith(source), "the line named is the line shown"


def test_every_rule_has_a_bad_flow() -> None:
    shown_elsewhere = {"L4", "L27", "D2"}
    assert {rule.id for rule in lint.RULES} == {rule for rule, *_ in BAD} | shown_elsewhere


def test_rules_have_distinct_ids_and_cover_the_reference() -> None:
    ids = [rule.id for rule in lint.RULES]
    assert len(set(ids)) == len(ids)
    assert {f"L{number}" for number in range(1, 27)} - set(ids) == {"L25"}, "nested foreach is allowed"


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD.keys())
def test_a_good_graph_passes(steps: str, make_steps: MakeSteps) -> None:
    lint.check(parse_flow(make_steps(steps)))


def test_an_annotated_start_may_not_have_a_rival_called_start(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step(start=True)
            def begin(self):
                self.next(self.start)
            @step
            def start(self):
                self.next(self.end)
            @step
            def end(self):
                pass
    """)
    with pytest.raises(LintError, match=r"begin is annotated .* another is called 'start'") as caught:
        lint.check(parse_flow(flow))
    assert caught.value.rule == "L4"


@pytest.mark.parametrize("role", ["start", "end"])
def test_two_annotated_starts_or_ends_are_refused(role: str, make_flow: MakeFlow) -> None:
    flow = make_flow(f"""
        class F(FlowSpec):
            @step({role}=True)
            def one(self):
                self.next(self.two)
            @step({role}=True)
            def two(self):
                self.next(self.one)
            @step
            def {"end" if role == "start" else "start"}(self):
                self.next(self.one)
    """)
    with pytest.raises(LintError, match=f"several {role} steps: one, two") as caught:
        lint.check(parse_flow(flow))
    assert caught.value.rule == {"start": "L2", "end": "L3"}[role]


def test_annotated_steps_of_any_name_are_start_and_end(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step(start=True)
            def first(self):
                self.next(self.last)
            @step(end=True, node_info={"team": "x"})
            def last(self):
                pass
    """)
    graph = parse_flow(flow)
    lint.check(graph)
    assert (graph.start, graph.end) == ("first", "last")
    assert graph.steps["last"].node_info == {"team": "x"}


def test_a_next_inside_if_is_refused(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step
            def start(self):
                if True:
                    self.next(self.end)
            @step
            def end(self):
                pass
    """)
    with pytest.raises(LintError, match=r"does not end with self\.next") as caught:
        lint.check(parse_flow(flow))
    assert caught.value.source == "if True:"


def test_a_target_without_step_is_told_from_one_that_does_not_exist(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step
            def start(self):
                self.next(self.helper)
            def helper(self):
                pass
            @step
            def end(self):
                pass
    """)
    with pytest.raises(LintError, match="which is not a step") as caught:
        lint.check(parse_flow(flow))
    assert caught.value.hint == "Put @step above def helper."


def test_a_misspelt_target_is_answered_with_the_right_one(make_steps: MakeSteps) -> None:
    graph = parse_flow(make_steps("start: self.next(self.trian)\ntrain: self.next(self.end)\nend:"))
    with pytest.raises(LintError) as caught:
        lint.check(graph)
    assert caught.value.hint == "Did you mean self.train?"


@pytest.mark.parametrize(
    "body", ["async def start(self):\n        yield 1", "def start(self):\n        yield 1"]
)
def test_a_step_that_would_not_run_when_called_is_refused(body: str, make_flow: MakeFlow) -> None:
    graph = parse_flow(make_flow(f"class F(FlowSpec):\n    @step\n    {body}"))
    with pytest.raises(LintError, match="has a yield") as caught:
        lint.check(graph)
    assert caught.value.rule == "D2"


GANG = """
    class F(FlowSpec):
        @step
        def start(self):
            self.next(self.work, num_parallel=2)

        @parallel
        @step{isolation}
        async def work(self):
            self.next(self.j)

        @step
        async def j(self, inputs):
            self.next(self.end)

        @step
        async def end(self):
            pass
"""


def test_a_gang_of_async_tasks_is_refused(make_flow: MakeFlow) -> None:
    with pytest.raises(LintError, match="need processes of their own") as caught:
        lint.check(parse_flow(make_flow(GANG.format(isolation=""))))
    assert caught.value.rule == "L27"
    assert caught.value.source == "self.next(self.work, num_parallel=2)"


def test_a_gang_of_coroutines_in_processes_of_their_own_is_fine(make_flow: MakeFlow) -> None:
    graph = parse_flow(make_flow(GANG.format(isolation='(isolation="process")')))
    lint.check(graph)
    assert {name: info.is_async for name, info in graph.steps.items()} == {
        "start": False,
        "work": False,
        "j": True,
        "end": True,
    }
    assert graph.to_machine().steps["end"].is_async


def test_self_next_is_not_to_be_awaited(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step
            async def start(self):
                await self.next(self.end)
            @step
            def end(self):
                pass
    """)
    with pytest.raises(LintError, match="without `await`") as caught:
        lint.check(parse_flow(flow))
    assert caught.value.rule == "L12"


def test_an_unknown_isolation_of_a_step_is_refused(make_flow: MakeFlow) -> None:
    with pytest.raises(MisplacedDecoratorError, match="'thread'"):
        make_flow(
            "class F(FlowSpec):\n    @step(isolation='thread')\n    async def start(self):\n        pass"
        )


def test_an_async_step_in_a_wrapper_that_runs_it_is_fine(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        import asyncio, functools
        def run_async(f):
            @functools.wraps(f)
            def inner(*args):
                return asyncio.run(f(*args))
            return inner
        class F(FlowSpec):
            @step
            @run_async
            async def start(self):
                self.done = True
    """)
    lint.check(parse_flow(flow))


def test_a_flow_without_steps_says_so(make_flow: MakeFlow) -> None:
    with pytest.raises(LintError, match="Flow F has no steps"):
        lint.check(parse_flow(make_flow("class F(FlowSpec):\n    pass")))
