"""The graph read from source: transitions, matching of joins, inheritance, and what the machine gets of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncflow.flow import lint
from asyncflow.flow.decorators import attach
from asyncflow.flow.errors import FlowLoadError
from asyncflow.flow.graph import NodeType
from asyncflow.flow.load import load_flow
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec
from asyncflow.machine.graph import Graph, RetryPolicy, Transition

MakeFlow = Callable[..., type[FlowSpec]]
MakeSteps = Callable[[str], type[FlowSpec]]

NESTED = """
    start: self.next(self.a, self.b)
    a: self.next(self.each, foreach='xs')
    each: self.next({'again': self.each, 'deep': self.deep, 'done': self.out}, condition='state')
    deep: self.next(self.p, self.q)
    p: self.next(self.deep_join)
    q: self.next(self.deep_join)
    deep_join(self,inputs): self.next(self.out)
    out: self.next(self.inner)
    inner(self,inputs): self.next(self.outer)
    b: self.next(self.outer)
    outer(self,inputs): self.next(self.end)
    end:
"""


def test_each_join_closes_the_innermost_open_split(make_steps: MakeSteps) -> None:
    graph = parse_flow(make_steps(NESTED))
    lint.check(graph)
    closes = {name: info.closes for name, info in graph.steps.items() if info.closes}
    assert closes == {"deep_join": "deep", "inner": "a", "outer": "start"}


def test_steps_come_in_topological_order_with_branches_as_written(make_steps: MakeSteps) -> None:
    graph = parse_flow(make_steps(NESTED))
    assert list(graph.steps) == [
        "start", "a", "each", "deep", "p", "q", "deep_join", "out", "inner", "b", "outer", "end",
    ]  # fmt: skip


def test_every_transition_is_read(make_flow: MakeFlow) -> None:
    flow = make_flow('''
        class F(FlowSpec):
            """A flow.

            With text.
            """
            @step
            def start(self):
                """Begin."""
                self.x = 1
                self.next(
                    {"a": self.gang, 2: self.end}, condition="kind"
                )
            @step
            def gang(self):
                self.next(self.node, num_parallel=4)
            @parallel
            @step
            def node(self):
                self.next(self.join)
            @step
            def join(self, inputs):
                self.next(self.end)
            @step
            def end(self):
                pass
    ''')
    graph = parse_flow(flow)
    start, gang = graph.steps["start"], graph.steps["gang"]
    assert (start.transition, start.condition, dict(start.cases)) == (
        Transition.SWITCH,
        "kind",
        {"a": "gang", 2: "end"},
    )
    assert (start.doc, start.line, start.source, start.next_line, start.next_source) == (
        "Begin.",
        9,
        "def start(self):",
        12,
        "self.next(",
    )
    assert (gang.transition, gang.num_parallel, gang.targets) == (Transition.PARALLEL, 4, ("node",))
    assert graph.doc == "A flow.\n\nWith text."
    assert [str(info.type) for info in graph.steps.values()] == [
        "split-switch", "split-parallel", "linear", "join", "end",
    ]  # fmt: skip


def test_a_linear_start_is_of_type_start(make_steps: MakeSteps) -> None:
    graph = parse_flow(make_steps("start: self.next(self.end)\nend:"))
    assert [info.type for info in graph.steps.values()] == [NodeType.START, NodeType.END]


def test_a_single_step_is_start_and_end(make_steps: MakeSteps) -> None:
    machine = parse_flow(make_steps("only: self.x = 1")).to_machine()
    assert (machine.start, machine.end, machine.steps["only"].transition) == ("only", "only", Transition.END)


def test_the_graph_is_read_once_a_class_and_again_after_attach(make_steps: MakeSteps) -> None:
    flow = make_steps("start: self.next(self.end)\nend:")
    first = parse_flow(flow)
    assert parse_flow(flow) is first
    attach(flow, "retry:times=7")
    assert parse_flow(flow).to_machine().steps["end"].retry.times == 7


def test_a_derived_flow_does_not_get_its_base_class_graph(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class Base(FlowSpec):
            @step
            def start(self):
                self.next(self.end)
            @step
            def end(self):
                pass
        class Derived(Base):
            @retry(times=1)
            @step
            def start(self):
                self.next(self.middle)
            @step
            def middle(self):
                self.next(self.end)
    """)
    base = parse_flow(flow.__mro__[1])
    graph = parse_flow(flow)
    assert list(base.steps) == ["start", "end"]
    assert list(graph.steps) == ["start", "middle", "end"]
    assert graph.name == "Derived"


def test_steps_may_come_from_a_base_in_another_file(tmp_path: Path, make_flow: MakeFlow) -> None:
    (tmp_path / "made_base.py").write_text(
        "from asyncflow import FlowSpec, step\n"
        "class Base(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.train)\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    sys.path.insert(0, str(tmp_path))
    flow = make_flow("""
        from made_base import Base
        class Derived(Base):
            @step
            def train(self):
                self.next(self.end)
    """)
    graph = parse_flow(flow)
    lint.check(graph)
    assert graph.steps["start"].file.endswith("made_base.py")
    assert graph.steps["train"].file == graph.file


def test_an_override_without_step_is_no_step(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class Base(FlowSpec):
            @step
            def start(self):
                self.next(self.end)
            @step
            def extra(self):
                self.next(self.end)
            @step
            def end(self):
                pass
        class Derived(Base):
            def extra(self):
                pass
    """)
    assert list(parse_flow(flow).steps) == ["start", "end"]


def test_steps_beneath_wrapping_decorators_are_read(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        import functools
        def timed(f):
            @functools.wraps(f)
            def inner(*args, **kwargs):
                return f(*args, **kwargs)
            return inner
        class F(FlowSpec):
            @timed
            @step
            def start(self):
                self.next(self.end)
            @step
            @timed
            def end(self):
                pass
    """)
    graph = parse_flow(flow)
    lint.check(graph)
    assert list(graph.steps) == ["start", "end"]


def test_async_steps_are_read(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @step
            async def start(self):
                self.next(self.end)
            @step
            def end(self):
                pass
    """)
    assert parse_flow(flow).steps["start"].targets == ("end",)


def test_a_flow_without_source_is_refused() -> None:
    namespace: dict[str, object] = {}
    exec(
        "from asyncflow import FlowSpec, step\n"
        "class F(FlowSpec):\n    @step\n    def start(self):\n        pass\n",
        namespace,
    )
    flow = namespace["F"]
    assert isinstance(flow, type)
    with pytest.raises(FlowLoadError, match="source of step start of flow F cannot be found"):
        parse_flow(flow)


def test_the_machine_gets_policies(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            @retry(times=2, delay=5, backoff=3, max_delay=60, jitter=0.5, on=(ValueError, "pkg.Error", "KeyError"))
            @catch(var="oops")
            @timeout(minutes=1, seconds=30)
            @resources(cpu=2, memory=500)
            @environment(vars={"A": 1})
            @step
            def start(self):
                self.next(self.end)
            @resources
            @step
            def end(self):
                pass
    """)
    graph = parse_flow(flow)
    machine = graph.to_machine()
    node = machine.steps["start"]
    assert node.retry == RetryPolicy(
        times=2, delay_s=5, backoff=3, max_delay_s=60, jitter=0.5,
        on=("builtins.ValueError", "pkg.Error", "builtins.KeyError"),
    )  # fmt: skip
    assert (node.catches, node.timeout_s) == (True, 90.0)
    assert (node.resources.cpu, node.resources.memory_mb, node.resources.gpu) == (2.0, 500.0, None)
    assert machine.steps["end"].resources.cpu is None, "defaults are not counted"
    assert graph.environment() == {"start": {"A": "1"}}
    assert Graph.from_data(machine.to_data()) == machine


def test_the_graph_as_json_has_what_readers_need_and_no_secrets(make_flow: MakeFlow) -> None:
    flow = make_flow("""
        class F(FlowSpec):
            rate = 3
            alpha = Parameter("learn-rate", default=0.1, help="how fast")
            @environment(vars={"TOKEN": "hunter2"})
            @step
            def start(self):
                self.next(self.a, self.b)
            @step
            def a(self):
                self.next(self.each, foreach="xs")
            @step
            def each(self):
                self.next(self.inner)
            @step
            def inner(self, inputs):
                self.next(self.join)
            @step
            def b(self):
                self.next({1: self.c, 2: self.d}, condition="k")
            @step
            def c(self):
                self.next(self.join)
            @step
            def d(self):
                self.next(self.join)
            @step
            def join(self, inputs):
                self.next(self.end)
            @step
            def end(self):
                pass
    """)
    info = json.loads(json.dumps(parse_flow(flow).to_info()))
    assert info["graph_structure"] == [
        "start",
        [["a", [["each"]], "inner"], ["b", [["c"], ["d"]]]],
        "join",
        "end",
    ]
    assert info["steps"]["a"]["foreach_artifact"] == "xs"
    assert info["steps"]["a"]["matching_join"] == "inner"
    assert info["steps"]["b"]["switch_cases"] == {"1": "c", "2": "d"}
    assert info["parameters"] == [
        {"name": "alpha", "option": "learn-rate", "type": "float", "class": "Parameter", "help": "how fast",
         "required": False},
    ]  # fmt: skip
    assert info["constants"] == [{"name": "rate", "type": "int"}]
    assert "hunter2" not in json.dumps(info)
    assert "TOKEN" in json.dumps(info)


def test_a_thousand_steps_are_read_without_recursion(tmp_path: Path, make_flow: MakeFlow) -> None:
    steps = [
        f"    @step\n    def s{n}(self):\n        self.next(self.{f's{n + 1}' if n < 1200 else 'end'})\n"
        for n in range(1201)
    ]
    file = tmp_path / "made_long.py"
    file.write_text(
        "from asyncflow import FlowSpec, step\nclass F(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.s0)\n"
        + "".join(steps)
        + "    @step\n    def end(self):\n        pass\n"
    )
    graph = parse_flow(load_flow(str(file)))
    lint.check(graph)
    assert len(graph.to_info()["graph_structure"]) == 1203
