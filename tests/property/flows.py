"""Random valid flows, and what a plain recursive interpreter says running them must come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from zlib import crc32

from asyncflow.machine.graph import Graph, Permit, Resources, RetryPolicy, StepNode, Transition

__all__ = ["LARGEST", "Flow", "Key", "Plan", "random_flow"]

LARGEST = Resources(cpu=2.5, memory_mb=1500.0, gpu=0.5)
"""The most that a task needs; a gang needs three times as much."""
PERMITS = (Permit("a", 2), Permit("b", 1), Permit("a", 3, 1.0), Permit("c", 5, 60.0))
"""What steps may need, some of them several."""
Key = tuple[str, tuple[int, ...], int]
"""Step, index per open scope, iteration: the same task in every run."""


@dataclass
class Block:
    """A piece of a flow with one way in and one way out."""

    kind: str
    name: str
    parts: list[list[Block]] = field(default_factory=list)
    """Branches, the body, or the cases."""
    join: str = ""


@dataclass
class Flow:
    """A flow: its graph, and the structure it was made from."""

    graph: Graph
    blocks: list[Block]
    seed: int

    def width_of(self, key: Key) -> int:
        """How many items the foreach or gang has, 0 to 3 (a gang has one at least)."""
        node = self.graph.steps[key[0]]
        least = 1 if node.transition is Transition.PARALLEL else 0
        return max(least, self._draw(key, "width") % 4)

    def choice_of(self, key: Key) -> str:
        """Which target a switch takes; a loop goes round three times at most."""
        node = self.graph.steps[key[0]]
        if node.name in node.next:
            again = key[2] < self._draw((key[0], key[1], 0), "rounds") % 4
            return node.name if again else next(name for name in node.next if name != node.name)
        return node.next[self._draw(key, "case") % len(node.next)]

    def _draw(self, key: Key, what: str) -> int:
        return crc32(f"{self.seed}/{what}/{key}".encode())


@dataclass
class Plan:
    """What has to happen: every task once, every join with these inputs in this order."""

    tasks: list[Key] = field(default_factory=list)
    inputs: dict[Key, list[Key]] = field(default_factory=dict)


def expected(flow: Flow) -> Plan:
    """Interpret the flow, block by block."""
    plan = Plan()
    _interpret(flow, flow.blocks, (), plan)
    return plan


def _interpret(flow: Flow, blocks: Sequence[Block], path: tuple[int, ...], plan: Plan) -> Key:
    """Run a sequence; return its last task."""
    last: Key = ("", (), 0)
    for block in blocks:
        last = _interpret_block(flow, block, path, plan)
    return last


def _interpret_block(flow: Flow, block: Block, path: tuple[int, ...], plan: Plan) -> Key:
    key: Key = (block.name, path, 0)
    plan.tasks.append(key)
    if block.kind == "plain":
        return key
    if block.kind == "loop":
        while flow.choice_of(key) == block.name:
            key = (block.name, path, key[2] + 1)
            plan.tasks.append(key)
        return key
    if block.kind == "switch":
        chosen = flow.choice_of(key)
        case = next(part for part in block.parts if part[0].name == chosen)
        return _interpret(flow, case, path, plan)
    parts = block.parts if block.kind == "split" else block.parts * flow.width_of(key)
    arrivals = [_interpret(flow, part, (*path, index), plan) for index, part in enumerate(parts)]
    join: Key = (block.join, path, 0)
    plan.tasks.append(join)
    plan.inputs[join] = arrivals
    return join


def random_flow(seed: int, *, max_depth: int = 3) -> Flow:
    """Make a flow of nested splits, foreaches, gangs, switches and loops."""
    builder = _Builder(Random(seed), max_depth)
    middle = builder.sequence(0)
    blocks = [Block("plain", "start"), *middle, Block("plain", "end")]
    nodes: dict[str, StepNode] = {}
    builder.connect(blocks, None, nodes)
    for node in list(nodes.values()):
        if node.transition is Transition.PARALLEL:
            nodes[node.next[0]] = replace(nodes[node.next[0]], permits=())  # a gang cannot wait for permits
    return Flow(Graph(flow="Random", start="start", end="end", steps=nodes), blocks, seed)


class _Builder:
    def __init__(self, random: Random, max_depth: int) -> None:
        self._random = random
        self._max_depth = max_depth
        self._count = 0

    def sequence(self, depth: int) -> list[Block]:
        """Make one to three blocks, the last of them plain, so that no switch leads to a join."""
        blocks = [self._block(depth) for _ in range(self._random.randint(0, 2))]
        return [*blocks, Block("plain", self._name())]

    def _block(self, depth: int) -> Block:
        kinds = ["plain", "loop"] if depth >= self._max_depth else list(_WEIGHTED)
        kind = self._random.choice(kinds)
        block = Block(kind, self._name())
        if kind in ("split", "switch"):
            count = self._random.randint(2, 3)
            block.parts = [[Block("plain", self._name()), *self.sequence(depth + 1)] for _ in range(count)]
        elif kind == "foreach":
            block.parts = [[Block("plain", self._name()), *self.sequence(depth + 1)]]
        elif kind == "gang":
            block.parts = [[Block("plain", self._name())]]
        if kind in ("split", "foreach", "gang"):
            block.join = self._name()
        return block

    def _name(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def connect(self, blocks: Sequence[Block], after: str | None, nodes: dict[str, StepNode]) -> None:
        """Turn a sequence into steps that lead on to `after`."""
        for place, block in enumerate(blocks):
            target = blocks[place + 1].name if place + 1 < len(blocks) else after
            self._connect(block, target, nodes)

    def _connect(self, block: Block, after: str | None, nodes: dict[str, StepNode]) -> None:
        first = tuple(part[0].name for part in block.parts)
        if block.kind == "plain":
            transition = Transition.END if after is None else Transition.LINEAR
            self._add(nodes, block.name, transition, () if after is None else (after,))
            return
        assert after is not None, "only the end leads nowhere"
        if block.kind == "loop":
            self._add(nodes, block.name, Transition.SWITCH, (after, block.name))
            return
        self._add(nodes, block.name, _TRANSITIONS[block.kind], first)
        for part in block.parts:
            self.connect(part, block.join or after, nodes)
        if block.join:
            self._add(nodes, block.join, Transition.LINEAR, (after,), closes=block.name)

    def _add(
        self,
        nodes: dict[str, StepNode],
        name: str,
        transition: Transition,
        targets: tuple[str, ...],
        closes: str | None = None,
    ) -> None:
        random = self._random
        may_catch = transition in (Transition.LINEAR, Transition.END)
        is_remote = random.random() < 0.25
        nodes[name] = StepNode(
            name=name,
            transition=transition,
            next=targets,
            closes=closes,
            retry=RetryPolicy(
                times=random.choice((0, 0, 1, 3)),
                delay_s=random.choice((0.0, 5.0)),
                backoff=2.0,
                memory_factor=random.choice((1.0, 2.0)),
            ),
            catches=may_catch and random.random() < 0.2,
            timeout_s=random.choice((None, None, 60.0)),
            is_async=random.random() < 0.4,
            is_remote=is_remote,
            resources=Resources()
            if is_remote  # it takes nothing of this machine
            else Resources(
                cpu=random.choice((None, None, 1.0, LARGEST.cpu)),
                memory_mb=random.choice((None, None, 100.0, LARGEST.memory_mb)),
                gpu=random.choice((None, None, None, LARGEST.gpu)),
            ),
            permits=tuple(permit for permit in PERMITS if random.random() < 0.2),
        )


_WEIGHTED = ("plain", "split", "foreach", "foreach", "switch", "loop", "gang")
_TRANSITIONS = {
    "split": Transition.SPLIT,
    "foreach": Transition.FOREACH,
    "gang": Transition.PARALLEL,
    "switch": Transition.SWITCH,
}
