"""@secrets: in the environment of the step's task, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asyncflow import DecoratorError, FlowSpec, Run, secrets, step
from asyncflow.client.place import place_at
from asyncflow.flow.decorators.secrets import Secrets
from asyncflow.flow.errors import LintError
from asyncflow.flow.lint import check
from asyncflow.flow.parse import parse_flow
from asyncflow.worker.secrets import SecretsError, fetch_secrets, get_secret
from tests.cli.place import Place

FLOW = """
import os
from asyncflow import FlowSpec, secrets, step

class SecretFlow(FlowSpec):
    @secrets(sources=["file.keys.env", {"type": "inline", "options": {"env_vars": {"TOKEN": "sesame"}}}])
    @step
    def start(self):
        self.lengths = [len(os.environ["TOKEN"]), len(os.environ["DOOR"])]
        self.next(self.end)

    @step
    def end(self):
        assert "TOKEN" not in os.environ
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_step_has_its_secrets_and_nothing_else_has_them(tmp_path: Path, isolation: str) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "keys.env").write_text("# the door\nexport DOOR='open it'\n")
    place = Place(tmp_path)
    ended = place.run("run", "flow.py", "--isolation", isolation, "--cache")
    assert ended.code == 0, ended.stderr
    run = Run("SecretFlow/1", _place=place_at(str(tmp_path / ".asyncflow")), _namespace_check=False)
    assert run.code is not None
    assert "[REDACTED]" in run.code.flowspec
    assert "[6, 7]" in place.run("dump", "1/start").stdout
    held = b"".join(file.read_bytes() for file in (tmp_path / ".asyncflow").rglob("*") if file.is_file())
    assert b"sesame" not in held
    assert b"open it" not in held
    shown = place.run("graph", "flow.py", "--format", "json").stdout
    assert "file.keys.env" in shown
    assert "sesame" not in shown


def test_what_cannot_be_fetched_fails_the_step_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    place = Place(tmp_path)
    ended = place.run("run", "flow.py")
    assert ended.code == 1
    assert "The file of secrets keys.env cannot be read: No such file" in ended.stderr


def _inline(**values: Any) -> Mapping[str, Any]:
    return {"type": "inline", "options": {"env_vars": values}}


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([_inline(A="1"), _inline(A="2")], "Two sources of @secrets have the secret A"),
        ([_inline(HOME="1")], "is an environment variable already"),
        ([_inline(METAFLOW_X="1")], "whose name no environment variable can have"),
        ([_inline(**{"a-b": "1"})], "whose name no environment variable can have"),
        ([_inline(A=3)], "is no text"),
        (["vault.x"], "There is no provider of secrets 'vault'"),
        ([{"type": "inline"}], "have no env_vars"),
    ],
)
def test_secrets_that_cannot_be_are_refused_without_their_values(sources: Any, said: str) -> None:
    with pytest.raises(SecretsError, match=said):
        fetch_secrets(Secrets(sources=sources), {"HOME": "x"})


def test_an_override_may_be_allowed_and_code_may_ask_itself() -> None:
    allowed = Secrets(sources=[_inline(HOME="1")], allow_override=True)
    assert fetch_secrets(allowed, os.environ) == {"HOME": "1"}
    assert get_secret(_inline(A="1")) == {"A": "1"}


def test_a_provider_that_fails_never_tells_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(_id: str, _options: Mapping[str, Any], _role: str | None) -> Mapping[str, str]:
        raise ValueError("the password is sesame")

    monkeypatch.setattr("asyncflow.worker.secrets._PROVIDERS", {"leaky": leaky})
    with pytest.raises(SecretsError) as caught:
        get_secret("leaky.x")
    assert "sesame" not in str(caught.value)
    assert "ValueError" in caught.value.message


@pytest.mark.parametrize("sources", ["file.x", [3], ["nowhere"], [{"id": "x"}], [{"type": "a", "more": 1}]])
def test_sources_that_are_none_are_refused_where_they_stand(sources: Any) -> None:
    with pytest.raises(DecoratorError):
        Secrets(sources=sources)


def test_a_step_that_shares_its_process_cannot_have_secrets() -> None:
    class Shared(FlowSpec):
        @secrets(sources=["file.x"])
        @step
        async def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None: ...

    with pytest.raises(LintError, match="shares a process"):
        check(parse_flow(Shared))
