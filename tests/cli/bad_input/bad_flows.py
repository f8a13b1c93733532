"""One flow for each lint rule that it breaks, as a user would have written it."""

from __future__ import annotations

import textwrap

__all__ = ["BAD_GRAPHS"]


def _flow(*steps: str, extra: str = "") -> str:
    """Return a flow of steps written `name(args): last statement`; decorators stand in front, one a word."""
    body: list[str] = []
    for step in steps:
        head, _, last = step.partition(": ")
        *decorators, signature = head.split()
        body += [*decorators, "@step", f"def {signature}:", f"    {last or 'pass'}", ""]
    lines = textwrap.indent("\n".join(body), "    ")
    return f"from asyncflow import FlowSpec, parallel, step\n\n\nclass Bad(FlowSpec):\n{extra}{lines}"


BAD_GRAPHS = {
    "L1": _flow("start(self): self.next(self.input)", "input(self): self.next(self.end)", "end(self)"),
    "L2": _flow("begin(self): self.next(self.end)", "end(self)"),
    "L3": _flow("start(self): self.next(self.last)", "last(self): self.next(self.start)"),
    "L4": _flow("start(self): self.next(self.end)", "end(self)").replace(
        "    @step\n    def end",
        "    @step(start=True)\n    def other(self):\n        self.next(self.end)\n\n    @step\n    def end",
    ),
    "L5": _flow("start(self): self.next(self.start)", "end(self)"),
    "L6": _flow("start(self): self.next(self.end)", "end(self): self.next(self.start)"),
    "L7": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next(self.end)",
        "b(self): self.next(self.end)",
        "end(self,inputs)",
    ),
    "L8": _flow("start(self): self.next(self.Train)", "Train(self): self.next(self.end)", "end(self)"),
    "L9": _flow("start(self): self.next(self.a)", "a(self,x,y): self.next(self.end)", "end(self)"),
    "L10": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next(self.j)",
        "b(self): self.next(self.j)",
        "j(self,inputs): self.next(self.c, self.d)",
        "c(self): self.next(self.k)",
        "d(self): self.next(self.k)",
        "k(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L11": _flow("start(self): self.x = 1", "end(self)"),
    "L12": _flow("start(self): self.next('end')", "end(self)"),
    "L13": _flow("start(self): self.next(self.ned)", "end(self)"),
    "L14": _flow(
        "start(self): self.next(self.a)",
        "a(self): self.next(self.b)",
        "b(self): self.next(self.a)",
        "end(self)",
    ),
    "L15": _flow("start(self): self.next(self.end)", "lost(self): self.next(self.end)", "end(self)"),
    "L16": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next(self.end)",
        "b(self): self.next(self.end)",
        "end(self)",
    ),
    "L17": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next(self.j)",
        "b(self): self.next(self.k)",
        "j(self,inputs): self.next(self.end)",
        "k(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L18": _flow("start(self): self.next(self.j)", "j(self,inputs): self.next(self.end)", "end(self)"),
    "L19": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next(self.c, self.d)",
        "b(self): self.next(self.j)",
        "c(self): self.next(self.j)",
        "d(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L20": _flow("start(self): self.next({'x': self.end}, condition='way')", "end(self)"),
    "L21": _flow(
        "start(self): self.next(self.a, self.j)",
        "a(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L22": _flow(
        "start(self): self.next(self.a, num_parallel=2)",
        "a(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L23": _flow(
        "start(self): self.next(self.a, num_parallel=2)",
        "@parallel a(self): self.next(self.b)",
        "b(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L24": _flow(
        "start(self): self.next(self.a, self.b)",
        "@parallel a(self): self.next(self.j)",
        "b(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L26": _flow(
        "start(self): self.next(self.a, self.b)",
        "a(self): self.next({1: self.c, 2: self.j}, condition='way')",
        "b(self): self.next(self.j)",
        "c(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ),
    "L27": _flow(
        "start(self): self.next(self.a, num_parallel=2)",
        "@parallel a(self): self.next(self.j)",
        "j(self,inputs): self.next(self.end)",
        "end(self)",
    ).replace("def a(", "async def a("),
    "D2": _flow("start(self): self.next(self.end)", "end(self)").replace(
        "self.next(self.end)", "yield 1; self.next(self.end)"
    ),
}
"""By rule."""
