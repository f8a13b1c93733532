"""One attempt of one task, from the parents' manifests to its own. In two halves, because of the fork between them.

`prepare` reads the manifests an attempt starts from and looks up all that is known beforehand. A zygote does that
before it forks: there memory is warm, and siblings share what was read. `Prepared.run` is the task's own half: run the
user's step under its `@timeout`, see where it hands on, store what was set on `self`, and as the last act write the
manifest. Any failure of the user's code becomes a value: what was set before is stored all the same, and `@catch` may
take it.

The second half runs in a freshly forked process for every task. Each page of memory it is first to write to is copied,
at 2 to 3 us a page (measured): an empty step takes 0.13 ms in a warm process and 1 ms in a fresh fork. So it makes few
objects, calls few functions, and imports nothing: what every task may need is imported here, once, before the fork
(zstandard alone would cost each task 3 ms). The zygote's own pages are copied after a fork just as well, so moving
work there pays only where it is shared between siblings or would delay the task: of some 335 pages of a foreach
child with one artifact the split takes 100 out of the task.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import CoroutineType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.flow.binding import NextCall
from asyncflow.flow.decorators.builtin import Catch
from asyncflow.flow.decorators.card import Card
from asyncflow.flow.decorators.secrets import Secrets
from asyncflow.flow.decorators.user import Wrapping
from asyncflow.flow.failure import CaughtFailure
from asyncflow.flow.graph import StepInfo
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import artifacts_of
from asyncflow.machine.outcome import ErrorInfo, Failed, Outcome, Succeeded
from asyncflow.records import compile_now
from asyncflow.store import compression
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import MANIFEST_VERSION, ArtifactRecord, CardRecord, Manifest
from asyncflow.store.pickling import watch_names
from asyncflow.worker.binding import Binding, Origins
from asyncflow.worker.problems import info_of, record_of
from asyncflow.worker.report import artifact_refs
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.surroundings import Surroundings, gangs_of, parameter_names_of
from asyncflow.worker.timeout import time_limit
from asyncflow.worker.tracing import names_of_values, note_result
from asyncflow.worker.transition import Handover, SwitchError, handover_of, static_handover
from asyncflow.worker.usage import Meter

if TYPE_CHECKING:
    from asyncflow.worker.deck import Deck

__all__ = ["Prepared", "has_async_steps", "has_cards", "preload", "prepare", "run_attempt", "show"]

compression.load()  # with this module, and so before a fork


def preload(flow_class: type) -> None:
    """Do once, before a zygote forks, what every attempt would do: read the graph, collect names."""
    compile_now(Failed, NextCall, Succeeded)
    parse_flow(flow_class)
    gangs_of(flow_class)
    parameter_names_of(flow_class)
    cards = [card for info in parse_flow(flow_class).steps.values() for card in _cards_of(info)]
    if cards:
        from asyncflow.worker.dealing import preload_cards  # only for flows that have some

        preload_cards(cards)


def has_async_steps(flow_class: type) -> bool:
    """Say whether some steps of the flow share a worker's event loop."""
    return any(info.is_async for info in parse_flow(flow_class).steps.values())


def has_cards(flow_class: type) -> bool:
    """Say whether some steps of the flow have a card."""
    return any(_cards_of(info) for info in parse_flow(flow_class).steps.values())


def run_attempt(
    flow_class: type,
    run_spec: RunSpec,
    task_spec: TaskSpec,
    store: LocalStore,
    is_heard: Callable[[], bool] | None = None,
) -> Outcome:
    """Run one attempt and leave its manifest; say how it ended. Both halves in one, see `Prepared.run`."""
    return prepare(flow_class, run_spec, task_spec, Origins(store)).run(is_heard)


def prepare(flow_class: type, run_spec: RunSpec, task_spec: TaskSpec, origins: Origins) -> Prepared:
    """Do what can be done for an attempt before its process exists. Runs no code of the user's, loads no artifact.

    Never raises for the store: what could not be read is told by `Prepared.run`. Keep `origins` for the next attempt,
    which often starts from the same manifest.
    """
    binding: Binding | StoreError
    try:
        binding = origins.bind(flow_class, task_spec, run_spec.parameters, gangs_of(flow_class))
    except StoreError as error:
        binding = error
    return Prepared(flow_class, run_spec, task_spec, origins.store, binding)


class Prepared:
    """An attempt that is ready to run, once, in this process or in a fork of it."""

    __slots__ = (
        "_binding",
        "_catch",
        "_deck",
        "_error",
        "_failure",
        "_flow",
        "_flow_class",
        "_handover",
        "_host",
        "_info",
        "_run_spec",
        "_spec",
        "_store",
        "_surroundings",
    )

    def __init__(
        self,
        flow_class: type,
        run_spec: RunSpec,
        spec: TaskSpec,
        store: LocalStore,
        binding: Binding | StoreError,
    ) -> None:
        self._flow_class = flow_class
        self._run_spec = run_spec
        self._spec = spec
        self._store = store
        self._binding = binding
        self._info = parse_flow(flow_class).steps[spec.step]
        self._catch: Catch | None = self._info.decorator(Catch)
        self._surroundings = Surroundings(flow_class, run_spec, spec)
        if spec.cache is not None:
            watch_names()
        self._host = os.uname().nodename
        self._flow: Any = None  # Any: a FlowSpec; its attributes are the user's
        self._handover = Handover()
        self._error: BaseException | None = None
        self._failure: ErrorInfo | None = None
        self._deck: Deck | None = None
        cards = _cards_of(self._info)
        if cards:
            from asyncflow.worker.dealing import deck_of  # only for steps that have some

            self._deck = deck_of(cards, flow_class, run_spec, spec)
            self._surroundings.give("card", self._deck)

    def run(self, is_heard: Callable[[], bool] | None = None) -> Outcome:
        """Run the attempt and leave its manifest; say how it ended.

        Args:
            is_heard: Says whether somebody still reads what the process prints. Where nobody does, a failure may come
                of that alone and not of the step: the process then ends without a manifest, as if killed.

        Never raises for a failure of the user's code or of the store. Returns `Failed` without a manifest only where
        none could be written, or the manifests it starts from cannot be read. Needs the main thread for `@timeout`.
        """
        meter, own = Meter(), os.getpid()
        try:
            if isinstance(self._binding, StoreError):
                raise self._binding
            self._surroundings.enter()
            if self._deck is not None:
                self._deck.enter()
            try:
                self._execute(self._binding)
                if os.getpid() != own:
                    _end_copy(has_failed=self._failure is not None)
                if self._failure is not None and is_heard is not None and not is_heard():
                    os._exit(1)
                records = self._settle(self._binding)
                return self._leave_manifest(self._binding, records, meter, self._deal(records))
            finally:
                self._surroundings.leave()
        except StoreError as error:
            told = info_of(error)
            show(told)
            return Failed(error=told, usage=meter.read())

    @property
    def error(self) -> BaseException | None:
        """What the step raised, after `run`; None if it raised nothing, or died before it could."""
        return self._error

    def _execute(self, binding: Binding) -> None:
        """Run the step and see where it hands on; a failure becomes a value."""
        spec = self._spec
        try:
            flow = self._flow = self._flow_class(use_cli=False)
            flow._binding = binding
            if spec.fallback is not None:
                self._failure, self._handover = spec.fallback, static_handover(self._info)
            elif spec.timeout_s is None:
                self._step(flow, binding)
            else:
                with time_limit(spec.timeout_s, spec.step):
                    self._step(flow, binding)
        except BaseException as error:  # noqa: BLE001 - the user's step may raise anything, sys.exit() included
            self._fail(error)

    def _step(self, flow: Any, binding: Binding) -> None:  # Any: a FlowSpec
        step = getattr(flow, self._spec.step)
        secrets = self._info.decorator(Secrets)
        if secrets is not None:
            from asyncflow.worker.secrets import fetch_secrets  # only for steps that have some

            self._surroundings.add(fetch_secrets(secrets, os.environ))
        if any(isinstance(one, Wrapping) for one in self._info.decorators):
            from asyncflow.worker.wrapping import run_wrapped  # only for steps that have some

            run_wrapped(
                flow, self._info, binding.inputs, lambda function: _call(MethodType(function, flow), binding)
            )
        else:
            _call(step, binding)
        self._handover = handover_of(flow, self._info, self._store)

    def _is_caught(self) -> bool:
        """Say whether there was a failure and @catch takes it.

        It takes no order to stop: Ctrl-C, or what a backend raises in the process, a subclass of SystemExit.
        """
        if self._failure is None or not (self._spec.catches or self._spec.fallback is not None):
            return False
        error = self._error
        return error is None or isinstance(error, Exception) or type(error) is SystemExit

    def _fail(self, error: BaseException) -> None:
        told = info_of(error, is_retryable=False if isinstance(error, SwitchError) else None)
        if type(error) is SystemExit:
            told = told._replace(message=f"The step called sys.exit({error.code!r:.200})")
        self._error, self._failure = error, told
        is_caught = self._is_caught()
        self._handover = static_handover(self._info) if is_caught else Handover()
        is_told_to_stop = isinstance(error, SystemExit) and type(error) is not SystemExit
        if not is_told_to_stop and (not is_caught or self._catch is None or self._catch.print_exception):
            show(told)

    def _settle(self, binding: Binding) -> dict[str, ArtifactRecord]:
        """Store what the attempt set; an artifact that cannot be stored turns a success into a failure."""
        variable = None if self._catch is None else self._catch.var
        if self._failure is None:
            if variable:
                self._flow.__dict__[variable] = None
            try:
                return self._stored(binding)
            except AsyncflowError as error:
                self._fail(error)
        if variable and self._flow is not None and self._is_caught():
            self._flow.__dict__[variable] = self._caught_failure()
        return self._stored(binding, is_lenient=True)

    def _caught_failure(self) -> CaughtFailure:
        failure = self._failure
        assert failure is not None
        return CaughtFailure(
            self._error,
            type=failure.type,
            stacktrace=failure.traceback or f"{failure.type}: {failure.message}",
        )

    def _stored(self, binding: Binding, *, is_lenient: bool = False) -> dict[str, ArtifactRecord]:
        """Return the records of everything visible after the step: inherited, changed, new.

        Lenient, after a failure, means that what cannot be stored is left out.
        Otherwise raises UnpicklableArtifact or StoreError.
        """
        records = dict(binding.inherited)
        for name, value in ({} if self._flow is None else artifacts_of(self._flow)).items():
            if name == self._handover.spent:
                records.pop(name, None)
                continue
            if binding.is_untouched(name, value):
                continue
            try:
                records[name] = self._store.dump(value, name=name, known=binding.inherited.get(name))
            except AsyncflowError:
                if not is_lenient:
                    raise
        return self._store.fit_inline(records)

    def _names_of_values(self) -> Iterator[str]:
        return iter(()) if self._spec.cache is None else names_of_values(self._flow_class)

    def _deal(self, records: dict[str, ArtifactRecord]) -> tuple[CardRecord, ...]:
        """Make the attempt's cards, whether it went well or not. Never raises."""
        if self._deck is None:
            return ()
        from asyncflow.worker.dealing import deal  # loaded with the deck

        return deal(self._deck, self._flow, records, self._store)

    def _leave_manifest(
        self,
        binding: Binding,
        artifacts: dict[str, ArtifactRecord],
        meter: Meter,
        cards: tuple[CardRecord, ...] = (),
    ) -> Outcome:
        """Write the manifest and return the outcome it tells. Raises StoreError."""
        spec, handover, failure, usage = self._spec, self._handover, self._failure, meter.read()
        is_ok = failure is None or self._is_caught()
        record = None if failure is None else record_of(failure)
        manifest = Manifest(
            self._run_spec.flow,
            spec.run,
            spec.step,
            spec.attempt.task,
            spec.attempt.number,
            is_ok,
            artifacts,
            binding.frames,
            handover.next,
            handover.width,
            handover.items,
            handover.variable,
            handover.chosen,
            spec.iteration,
            record if is_ok else None,
            None if is_ok else record,
            *usage,
            self._host,
            os.getpid(),
            MANIFEST_VERSION,
            (*self._surroundings.reads(), *binding.reads(), *self._names_of_values()),
            None,
            None if spec.cache is None else spec.cache.code,
            cards,
        )
        self._store.write_manifest(manifest)
        if self._deck is not None:
            self._deck.remove_published()
        if spec.cache is not None and failure is None:
            note_result(spec.cache, manifest, self._surroundings.given(self._store, binding))
        refs = artifact_refs(artifacts)
        if failure is not None and not is_ok:
            return Failed(error=failure, artifacts=refs, usage=usage)
        return Succeeded(
            width=handover.width, chosen=handover.chosen, caught=failure, artifacts=refs, usage=usage
        )


def _cards_of(info: StepInfo) -> list[Card]:
    """Return the step's cards, in the order in which they are written, from the top down."""
    return [one for one in reversed(info.decorators) if isinstance(one, Card)] if info.decorators else []


def _call(step: Callable[..., Any], binding: Binding) -> None:
    returned = step() if binding.inputs is None else step(binding.inputs)
    if isinstance(returned, CoroutineType):
        from asyncflow.worker.coroutines import run_coroutine  # asyncio, which most flows do without

        run_coroutine(returned)  # pyright: ignore[reportUnknownArgumentType] - the user's


def show(info: ErrorInfo) -> None:
    """Write a failure to the task's own stderr, where its log is."""
    try:
        sys.stdout.flush()
        sys.stderr.write(info.traceback)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # the user's code closed or replaced its streams; the manifest has the text


def _end_copy(*, has_failed: bool) -> NoReturn:
    """End a process that the step forked and that left the step, too: the attempt and its manifest are not its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed or replaced by the user's code
    os._exit(int(has_failed))
