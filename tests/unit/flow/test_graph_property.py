"""Any nested flow that is built right lints clean, and its joins close what they were built to close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncflow.flow import lint
from asyncflow.flow.errors import LintError
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec
from asyncflow.machine.graph import Graph, Transition

MakeSteps = Callable[[str], type[FlowSpec]]

# A block is what may stand between two steps: ("plain",), ("loop",), ("foreach", blocks), ("split", [blocks, ...]),
# ("switch", [blocks, ...]), ("gang",). Blocks are lists of these.
BLOCKS = st.recursive(
    st.lists(st.sampled_from([("plain",), ("loop",), ("gang",)]), max_size=2),
    lambda inner: st.lists(
        st.one_of(
            st.just(("plain",)),
            st.tuples(st.just("foreach"), inner),
            st.tuples(st.just("split"), st.lists(inner, min_size=2, max_size=3)),
            st.tuples(st.just("switch"), st.lists(inner, min_size=2, max_size=3)),
        ),
        max_size=3,
    ),
    max_leaves=8,
)


@dataclass
class Writer:
    """Writes blocks as steps, and notes which split each join was meant to close."""

    lines: list[str] = field(default_factory=list)
    closes: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def write(self, blocks: list, after: str) -> str:
        """Write blocks that go on to step `after`; return the name of the first step."""
        for block in reversed(blocks):
            after = self.block(block, after)
        return after

    def block(self, block: tuple, after: str) -> str:
        kind, name = block[0], self.name(block[0])
        match kind:
            case "plain":
                self.lines.append(f"{name}: self.next(self.{after})")
            case "loop":
                out = self.plain(after)
                self.lines.append(f"{name}: self.next({{1: self.{name}, 2: self.{out}}}, condition='c')")
            case "switch":
                firsts = [self.write([("plain",), *blocks], self.plain(after)) for blocks in block[1]]
                cases = ", ".join(f"{n}: self.{first}" for n, first in enumerate(firsts))
                self.lines.append(f"{name}: self.next({{{cases}}}, condition='c')")
            case "gang":
                join = self.join(name, after)
                node = self.name("node")
                self.lines.append(f"{node} @parallel: self.next(self.{join})")
                self.lines.append(f"{name}: self.next(self.{node}, num_parallel=2)")
            case "foreach":
                join = self.join(name, after)
                first = self.write([("plain",), *block[1], ("plain",)], join)
                self.lines.append(f"{name}: self.next(self.{first}, foreach='xs')")
            case "split":
                join = self.join(name, after)
                firsts = [self.write([("plain",), *blocks, ("plain",)], join) for blocks in block[1]]
                self.lines.append(f"{name}: self.next({', '.join(f'self.{first}' for first in firsts)})")
        return name

    def plain(self, after: str) -> str:
        name = self.name("step")
        self.lines.append(f"{name}: self.next(self.{after})")
        return name

    def join(self, split: str, after: str) -> str:
        name = self.name("join")
        self.closes[name] = split
        self.lines.append(f"{name}(self,inputs): self.next(self.{after})")
        return name


def written(blocks: list) -> Writer:
    writer = Writer()
    first = writer.write(blocks, "end")
    writer.lines += [f"start: self.next(self.{first})", "end:"]
    return writer


SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SETTINGS
@given(blocks=BLOCKS)
def test_a_graph_built_of_nested_blocks_lints_clean_and_its_joins_match(
    blocks: list, make_steps: MakeSteps
) -> None:
    writer = written(blocks)
    graph = parse_flow(make_steps("\n".join(writer.lines)))

    lint.check(graph)

    assert {name: info.closes for name, info in graph.steps.items() if info.closes} == writer.closes
    machine = graph.to_machine()
    assert Graph.from_data(machine.to_data()) == machine
    place = {name: number for number, name in enumerate(machine.steps)}
    for node in machine.steps.values():
        loops = node.transition is Transition.SWITCH
        assert all(
            place[node.name] < place[target] or (loops and target == node.name) for target in node.next
        )


@SETTINGS
@given(blocks=BLOCKS.filter(lambda blocks: any(block[0] in ("foreach", "split", "gang") for block in blocks)))
def test_a_graph_with_a_join_turned_into_a_plain_step_is_refused(blocks: list, make_steps: MakeSteps) -> None:
    writer = written(blocks)
    join = next(iter(writer.closes))
    lines = [line.replace(f"{join}(self,inputs)", join) for line in writer.lines]

    with pytest.raises(LintError) as caught:
        lint.check(parse_flow(make_steps("\n".join(lines))))

    assert caught.value.where
    assert caught.value.hint
