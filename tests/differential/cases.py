"""The flows, most of them from a few forms: what differs from flow to flow is all that is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent, indent

__all__ = ["CASES", "Case"]

_IMPORTS = """from metaflow import FlowSpec, JSONType, Parameter, catch, current, environment, step
from metaflow import resources, retry, timeout
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A flow, and how it is started."""

    source: str
    commands: tuple[tuple[str, ...], ...] = (("run",),)


def _flow(body: str) -> str:
    text = f"{_IMPORTS}\n\nclass DiffFlow(FlowSpec):\n{indent(dedent(body).strip(), '    ')}\n"
    return f"{text}\n\nif __name__ == '__main__':\n    DiffFlow()\n"


def _step(name: str, body: str, *, deco: str = "", arg: str = "") -> str:
    body = indent(dedent(body).strip() or "pass", "    ")
    return f"{dedent(deco).strip()}\n@step\ndef {name}(self{arg}):\n{body}\n".lstrip()


def _linear(start: str, end: str = "pass", *, head: str = "", deco: str = "", then: str = "") -> str:
    middle = _step("middle", f"{dedent(then).strip()}\nself.next(self.end)")
    first = _step("start", f"{dedent(start).strip()}\nself.next(self.middle)", deco=deco)
    return _flow("\n".join([dedent(head), first, middle, _step("end", end)]))


def _foreach(
    items: str,
    body: str = "self.y = self.input",
    join: str = "self.ys = [i.y for i in inputs]",
    *,
    deco: str = "",
) -> str:
    return _flow(
        "\n".join(
            [
                _step("start", f"self.items = {items}\nself.next(self.work, foreach='items')"),
                _step("work", f"{dedent(body).strip()}\nself.next(self.join)", deco=deco),
                _step("join", f"{dedent(join).strip()}\nself.next(self.end)", arg=", inputs"),
                _step("end", "pass"),
            ]
        )
    )


def _branch(left: str, right: str, join: str, *, start: str = "self.x = 1") -> str:
    return _flow(
        "\n".join(
            [
                _step("start", f"{dedent(start).strip()}\nself.next(self.left, self.right)"),
                _step("left", f"{dedent(left).strip()}\nself.next(self.join)"),
                _step("right", f"{dedent(right).strip()}\nself.next(self.join)"),
                _step("join", f"{dedent(join).strip()}\nself.next(self.end)", arg=", inputs"),
                _step("end", "pass"),
            ]
        )
    )


_NESTED = _flow(
    """
    @step
    def start(self):
        self.outer = ["a", "b"]
        self.next(self.mid, foreach="outer")
    @step
    def mid(self):
        self.letter = self.input
        self.inner = [1, 2]
        self.next(self.leaf, foreach="inner")
    @step
    def leaf(self):
        self.v = (self.letter, self.input, self.index, len(self.foreach_stack()))
        self.next(self.close)
    @step
    def close(self, inputs):
        self.vs = [i.v for i in inputs]
        self.next(self.join)
    @step
    def join(self, inputs):
        self.all = sorted(v for i in inputs for v in i.vs)
        self.next(self.end)
    @step
    def end(self):
        pass
    """
)

_SWITCH = _flow(
    """
    mode = Parameter("mode", default="fast")
    @step
    def start(self):
        self.next({"fast": self.quick, "slow": self.long}, condition="mode")
    @step
    def quick(self):
        self.took = "quick"
        self.next(self.end)
    @step
    def long(self):
        self.took = "long"
        self.next(self.end)
    @step
    def end(self):
        self.seen = self.took
    """
)

_LOOP = _flow(
    """
    @step
    def start(self):
        self.n = 0
        self.next(self.again)
    @step
    def again(self):
        self.n += 1
        self.go = "more" if self.n < 3 else "done"
        self.next({"more": self.again, "done": self.end}, condition="go")
    @step
    def end(self):
        pass
    """
)

_BRANCH_IN_FOREACH = _flow(
    """
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.fork, foreach="items")
    @step
    def fork(self):
        self.x = self.input
        self.next(self.left, self.right)
    @step
    def left(self):
        self.y = self.x * 10
        self.next(self.close)
    @step
    def right(self):
        self.y = self.x * 100
        self.next(self.close)
    @step
    def close(self, inputs):
        self.both = sorted(i.y for i in inputs)
        self.next(self.join)
    @step
    def join(self, inputs):
        self.all = [i.both for i in inputs]
        self.next(self.end)
    @step
    def end(self):
        pass
    """
)

_INHERITED = _IMPORTS + dedent(
    '''

    class Base(FlowSpec):
        size = Parameter("size", default=3)

        @step
        def start(self):
            self.x = self.size
            self.next(self.end)

        @step
        def end(self):
            """Overridden."""


    class DiffFlow(Base):
        @step
        def end(self):
            self.y = self.x + 1


    if __name__ == "__main__":
        DiffFlow()
    '''
)

_RESUMED = _linear(
    "self.x = 1",
    then="""
import os
if not os.path.exists('mended'):
    open('mended', 'w').close()
    raise ValueError('boom')
self.y = self.x + 1
""",
)

_TYPES = 'p = Parameter("p", default={default}, type={type})'


def _parameter(default: str, kind: str, *args: str) -> Case:
    head = _TYPES.format(default=default, type=kind)
    return Case(_linear("self.got = (type(self.p).__name__, self.p)", head=head), (("run", *args),))


_GRAPHS: Mapping[str, str] = {
    "linear": _linear("self.x = 1", then="self.x += 1"),
    "foreach_list": _foreach("[3, 1, 2]"),
    "foreach_tuple": _foreach("('a', 'b')"),
    "foreach_range": _foreach("range(3)"),
    "foreach_text": _foreach("'abc'"),
    "foreach_index": _foreach("[5, 6]", "self.y = (self.index, self.input)"),
    "foreach_one": _foreach("[7]"),
    "foreach_objects": _foreach("[{'k': 1}, [2], None]"),
    "foreach_empty": _foreach("[]"),
    "foreach_none": _foreach("None"),
    "foreach_number": _foreach("5"),
    "nested_foreach": _NESTED,
    "branch": _branch("self.y = self.x + 1", "self.y = self.x + 2", "self.ys = sorted(i.y for i in inputs)"),
    "branch_by_name": _branch("self.y = 1", "self.y = 2", "self.ys = (inputs.left.y, inputs.right.y)"),
    "branch_in_foreach": _BRANCH_IN_FOREACH,
    "recursion": _LOOP,
    "inherited_flow": _INHERITED,
}

_ARTIFACTS: Mapping[str, str] = {
    "artifact_values": _linear(
        "self.a = None\nself.b = {'x': [1, 2.5]}\nself.c = 'text'\nself.d = b'bytes'\nself.e = (True, {3})"
    ),
    "artifact_changed_in_place": _linear("self.x = [1]", then="self.x.append(2)"),
    "artifact_deleted": _linear("self.x = 1\nself.y = 2\ndel self.y"),
    "artifact_missing": _linear("pass", then="self.z = self.nothing"),
    "artifact_hasattr": _linear("self.x = 1", then="self.there = (hasattr(self, 'x'), hasattr(self, 'q'))"),
    "artifact_unpicklable": _linear("self.x = (i for i in [1])"),
    "artifact_lambda": _linear("self.x = 1\nself.f = lambda: 1"),
    "artifact_private": _linear("self._x = 1\nself.y = 2", then="self.z = self._x"),
    "class_constant": _linear("self.x = self.SIZE + 1", head="SIZE = 4"),
    "merge_same": _branch("pass", "pass", "self.merge_artifacts(inputs)"),
    "merge_conflict": _branch("self.y = 1", "self.y = 2", "self.merge_artifacts(inputs)"),
    "merge_settled": _branch("self.y = 1", "self.y = 2", "self.y = 3\nself.merge_artifacts(inputs)"),
    "merge_exclude": _branch("self.y = 1", "self.y = 2", "self.merge_artifacts(inputs, exclude=['y'])"),
    "merge_include": _branch(
        "self.y = 1\nself.z = 5", "self.y = 2", "self.merge_artifacts(inputs, include=['x', 'z'])"
    ),
    "merge_include_missing": _branch("pass", "pass", "self.merge_artifacts(inputs, include=['q'])"),
    "join_inherits_nothing": _branch("pass", "pass", "self.there = hasattr(self, 'x')"),
    "join_forgets_input": _foreach("[1, 2]", join="self.got = self.input"),
}

_BOOM = "raise ValueError('boom')"

_FAILURES: Mapping[str, str] = {
    "failure": _linear("self.x = 1", then=f"self.y = 2\n{_BOOM}"),
    "failure_at_first": _linear(_BOOM),
    "failure_at_last": _linear("pass", _BOOM),
    "failure_by_exit": _linear("import sys; sys.exit(3)"),
    "failure_by_exit_zero": _linear("self.x = 1", then="import sys; sys.exit(0)"),
    "failure_by_os_exit": _linear("import os; os._exit(3)"),
    "failure_by_signal": _linear("import os; os.kill(os.getpid(), 9)"),
    "failure_in_foreach": _foreach("[1, 2, 3]", "self.y = 6 / (self.input - 2)"),
    "retry_helps": _linear(
        "if current.retry_count < 2:\n    raise ValueError('boom')\nself.n = current.retry_count",
        deco="@retry(times=2, minutes_between_retries=0)",
    ),
    "retry_does_not_help": _linear(_BOOM, deco="@retry(times=1, minutes_between_retries=0)"),
    "retry_after_death": _linear(
        "import os\nif current.retry_count == 0:\n    os._exit(9)\nself.n = current.retry_count",
        deco="@retry(times=1, minutes_between_retries=0)",
    ),
    "catch": _linear(f"self.x = 1\n{_BOOM}", deco="@catch(var='err')", then="self.seen = bool(self.err)"),
    "catch_without_failure": _linear("self.x = 1", deco="@catch(var='err')", then="self.seen = self.err"),
    "catch_without_variable": _linear(f"self.x = 1\n{_BOOM}", deco="@catch"),
    "catch_of_death": _linear(
        "import os; os._exit(9)", deco="@catch(var='err')", then="self.seen = bool(self.err)"
    ),
    "catch_after_retries": _linear(
        _BOOM, deco="@catch(var='err')\n@retry(times=1, minutes_between_retries=0)", then="self.a = 1"
    ),
    "catch_in_foreach": _foreach(
        "[1, 2, 3]",
        "self.y = 6 / (self.input - 2)",
        "self.ok = [bool(i.err) for i in inputs]",
        deco="@catch(var='err')",
    ),
    "timeout": _linear("import time; time.sleep(30)", deco="@timeout(seconds=1)"),
    "timeout_not_reached": _linear("self.x = 1", deco="@timeout(seconds=20)"),
    "timeout_caught": _linear(
        "import time; time.sleep(30)",
        deco="@catch(var='err')\n@timeout(seconds=1)",
        then="self.seen = bool(self.err)",
    ),
    "environment": _linear(
        "import os\nself.v = os.environ['COLOUR']", deco="@environment(vars={'COLOUR': 'red'})"
    ),
    "environment_elsewhere": _linear(
        "pass",
        deco="@environment(vars={'COLOUR': 'red'})",
        then="import os\nself.v = os.environ.get('COLOUR')",
    ),
    "resources": _linear("self.x = 1", deco="@resources(cpu=1, memory=100)"),
    "current_values": _linear(
        "self.v = (current.flow_name, current.step_name, current.retry_count, current.origin_run_id,"
        " current.username, current.is_running_flow, current.pathspec.split('/')[0])"
    ),
}

_INVALID: Mapping[str, str] = {
    "no_end": _flow("@step\ndef start(self):\n    self.next(self.start)"),
    "no_next": _flow("@step\ndef start(self):\n    pass\n@step\ndef end(self):\n    pass"),
    "unknown_step": _flow(
        "@step\ndef start(self):\n    self.next(self.nowhere)\n@step\ndef end(self):\n    pass"
    ),
    "unreachable": _linear("pass", head="@step\ndef island(self):\n    self.next(self.end)\n"),
    "no_join": _foreach("[1]").replace(", inputs", "").replace("[i.y for i in inputs]", "1"),
}

_STARTED: Mapping[str, Case] = {
    "switch_default": Case(_SWITCH),
    "switch_other": Case(_SWITCH, (("run", "--mode", "slow"),)),
    "switch_no_case": Case(_SWITCH, (("run", "--mode", "odd"),)),
    "parameter_int": _parameter("1", "int", "--p", "7"),
    "parameter_int_wrong": _parameter("1", "int", "--p", "x"),
    "parameter_float": _parameter("0.5", "float", "--p", "2"),
    "parameter_bool": _parameter("False", "bool", "--p", "yes"),
    "parameter_text": _parameter("'a'", "str", "--p", "b c"),
    "parameter_json": _parameter("'[1]'", "JSONType", "--p", '{"k": [1, 2]}'),
    "parameter_json_wrong": _parameter("'[1]'", "JSONType", "--p", "{"),
    "parameter_default": _parameter("3", "int"),
    "parameter_unknown": _parameter("3", "int", "--q", "1"),
    "parameter_required": Case(_linear("self.x = self.p", head='p = Parameter("p", required=True)')),
    "parameter_assigned": Case(_linear("self.p = 2", head='p = Parameter("p", default=1)')),
    "parameter_list": Case(
        _linear("self.x = list(self.p)", head='p = Parameter("p", default="a,b", separator=",")'),
        (("run", "--p", "c,d,e"),),
    ),
    "with_retry": Case(
        _linear("if current.retry_count == 0:\n    raise ValueError('boom')"),
        (("run", "--with", "retry:times=1,minutes_between_retries=0"),),
    ),
    "with_unknown": Case(_linear("pass"), (("run", "--with", "nonsense"),)),
    "unknown_command": Case(_linear("pass"), (("nonsense",),)),
    "unknown_option": Case(_linear("pass"), (("run", "--nonsense"),)),
    "too_many_splits": Case(_foreach("[1, 2, 3]"), (("run", "--max-num-splits", "2"),)),
    "tags": Case(_linear("pass"), (("run", "--tag", "good", "--tag", "good"),)),
    "empty_tag": Case(_linear("pass"), (("run", "--tag", ""),)),
    "check": Case(_linear("pass"), (("check",),)),
    "resume_failed": Case(_RESUMED, (("run",), ("resume",))),
    "resume_step": Case(_linear("self.x = 1", then="self.y = 2"), (("run",), ("resume", "middle"))),
    "resume_successful": Case(_linear("self.x = 1"), (("run",), ("resume",))),
    "resume_unknown_step": Case(_linear("self.x = 1"), (("run",), ("resume", "nowhere"))),
    "resume_foreach": Case(
        _foreach(
            "[1, 2, 3]",
            "import os\nif self.input == 2 and not os.path.exists('mended'):\n"
            "    open('mended', 'w').close()\n    raise ValueError('boom')\nself.y = self.input",
        ),
        (("run", "--max-workers", "1"), ("resume", "--max-workers", "1")),
    ),
    "resume_with_parameter": Case(_SWITCH, (("run",), ("resume", "--mode", "slow"))),
}

CASES: Mapping[str, Case] = {
    **{
        name: Case(source)
        for group in (_GRAPHS, _ARTIFACTS, _FAILURES, _INVALID)
        for name, source in group.items()
    },
    **_STARTED,
}
"""By name."""
