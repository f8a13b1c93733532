"""`@cache`: before an attempt is launched, look for a result that was made of the same; if there is one, take it over.

The attempt then ends without a process: its manifest names the earlier result's artifacts by digest, beside what the
task inherits now. For the machine it is a success like any other, which says where it came from.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio.to_thread
from anyio.abc import TaskGroup

from asyncflow.backends.base import Backend, Capabilities
from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.flow.decorators.builtin import Parallel
from asyncflow.flow.decorators.cache import Cache
from asyncflow.flow.decorators.secrets import written_secrets
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.reach import Piece, reached_code
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import Succeeded
from asyncflow.records import record, replace
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox
from asyncflow.store.code import REDACTED
from asyncflow.store.layout import blob_path, cached_blob_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.store.memos import Memos
from asyncflow.store.reads import ABSENT, key_of, text_digest
from asyncflow.store.reuse import touch_blob
from asyncflow.worker.binding import Binding, Origins
from asyncflow.worker.named_files import content_digest, stamp_of
from asyncflow.worker.report import outcome_of
from asyncflow.worker.spec import CacheSpec, RunSpec, TaskSpec
from asyncflow.worker.surroundings import gangs_of, values_of
from asyncflow.worker.tracing import given_to, note_result

__all__ = ["CachedBackend", "cached_steps"]

_FINGERPRINT = 8
"""Of an environment variable's value so many hex digits are told: enough to see a change, too few to try values by."""


def cached_steps(flow_class: type, mode: str | None) -> dict[str, Cache]:
    """Return which steps' results are noted and taken over, and how.

    Args:
        flow_class: The flow.
        mode: `all`: those without @cache, too, gangs excepted. Else those with it.
    """
    found: dict[str, Cache] = {}
    for name, info in parse_flow(flow_class).steps.items():
        asked: Cache | None = info.decorator(Cache)
        if asked is not None:
            found[name] = asked
        elif mode == "all" and info.decorator(Parallel) is None:
            found[name] = Cache()
    return found


class CachedBackend:
    """A run's backend behind what earlier tasks have made (`asyncflow.backends.base.Backend`).

    Args:
        inner: Where attempts run.
        steps: Whose results are noted and taken over.
        flow_class: The flow.
        run_spec: The run.
        takes_over: False: results are noted only.
        inbox: Told of results that were taken over.
        clock: The time.
        group: Where it is looked for results; ended with the run.
    """

    def __init__(
        self,
        inner: Backend,
        steps: Mapping[str, Cache],
        flow_class: type,
        run_spec: RunSpec,
        *,
        takes_over: bool,
        inbox: Inbox,
        clock: Clock,
        group: TaskGroup,
    ) -> None:
        self._inner = inner
        self._steps = steps
        self._shelf = _Shelf(flow_class, run_spec, steps)
        self._takes_over = takes_over
        self._inbox = inbox
        self._clock = clock
        self._group = group
        self._waiting: dict[Attempt, TaskSpec] = {}
        self._is_looking = False

    @property
    def capabilities(self) -> Capabilities:
        """What the place where attempts run can do."""
        return self._inner.capabilities

    async def launch(self, spec: TaskSpec) -> None:
        """Take over a result, or start an attempt. See `Backend.launch`."""
        if spec.step not in self._steps or spec.fallback is not None:
            await self._inner.launch(spec)
            return
        self._waiting[spec.attempt] = spec
        if not self._is_looking:
            self._is_looking = True
            self._group.start_soon(self._look)

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask or force an attempt to end; one that waits will not start. See `Backend.stop`."""
        if self._waiting.pop(attempt, None) is None:
            await self._inner.stop(attempt, force=force)
        else:
            self._lose(attempt, "stopped before its process was started")

    async def _look(self) -> None:
        """Serve what waits, all of it at once, as each hop to a thread costs as much as a result taken over."""
        try:
            while self._waiting:
                specs = list(self._waiting.values())
                taken = await anyio.to_thread.run_sync(self._shelf.look, specs, self._takes_over)
                await self._serve(taken)
        finally:
            self._is_looking = False

    async def _serve(self, looked: Sequence[_Looked]) -> None:
        now = self._clock.now()
        there = [one for one in looked if self._waiting.pop(one.spec.attempt, None) is not None]
        self._inbox.put(
            tuple(
                WorkerReported(at=now, attempt=one.spec.attempt, outcome=one.taken)
                for one in there
                if one.taken is not None
            )
        )
        for one in there:
            if one.taken is None:
                await self._launch(one)

    async def _launch(self, one: _Looked) -> None:
        try:
            if one.problem is not None:
                raise one.problem
            await self._inner.launch(one.spec)
        except AsyncflowError as error:
            self._lose(one.spec.attempt, f"could not be launched: {error}")

    def _lose(self, attempt: Attempt, reason: str) -> None:
        self._inbox.put((WorkerLost(at=self._clock.now(), attempt=attempt, reason=reason),))

    def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts. See `Backend.facts`."""
        return self._inner.facts()

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say what became of attempts of a dead driver. See `Backend.adopt`."""
        return await self._inner.adopt(attempts)

    async def aclose(self) -> None:
        """Kill what still runs. See `Backend.aclose`."""
        await self._inner.aclose()


@record
class _Looked:
    """An attempt for which it was looked."""

    spec: TaskSpec
    """With what is known of its result beforehand."""
    taken: Succeeded | None = None
    """How it ended, if an earlier result was taken over."""
    problem: StoreError | None = None
    """Why it cannot be launched."""


@record(frozen=False)
class _File:
    """A file as it was last looked at."""

    stamp: str
    digest: str


class _Shelf:
    """Finds and takes over results. Everything here blocks, and is called from one thread at a time."""

    def __init__(self, flow_class: type, run_spec: RunSpec, steps: Mapping[str, Cache]) -> None:
        self._steps = steps
        self._flow_class = flow_class
        self._run_spec = run_spec
        self._store = LocalStore(run_spec.store_root)
        self._origins = Origins(self._store)
        self._code: dict[str, dict[str, Piece]] = {}
        self._files: dict[str, _File] = {}
        self._made: dict[str, tuple[dict[str, Any], CacheSpec]] = {}  # Any: JSON-like
        self._memos: dict[str, Memos] = {}

    def look(self, specs: Sequence[TaskSpec], takes_over: bool) -> list[_Looked]:
        """Look for earlier results that are made of the same, and take them over."""
        return [self._looked(spec, takes_over) for spec in specs]

    def _looked(self, spec: TaskSpec, takes_over: bool) -> _Looked:
        cache = self._steps[spec.step]
        try:
            made = self._prepared(spec.step, cache)
        except StoreError as error:
            return _Looked(spec=spec, problem=error)
        try:
            taken = self._taken(spec, cache, made) if takes_over and spec.attempt.number == 0 else None
        except StoreError:
            taken = None  # what is wrong with the store is told by the attempt itself
        return _Looked(spec=replace(spec, cache=made), taken=taken)

    def _prepared(self, step: str, cache: Cache) -> CacheSpec:
        settings = self._settings(step, cache)
        known = self._made.get(step)
        if known is not None and known[0] == settings and self._is_kept(known[1].code):
            return known[1]
        if step not in self._code:
            self._code[step] = reached_code(self._flow_class, step)
        code = self._code[step]
        pieces = {name: piece.digest for name, piece in code.items()}
        base = text_digest(json.dumps({**settings, "code": pieces}, sort_keys=True))
        env = {name: value[:_FINGERPRINT] for name, value in settings["env"].items()}
        shown = {name: (piece.digest, self._redacted(step, piece.source)) for name, piece in code.items()}
        text = json.dumps({**settings, "env": env, "code": shown}, sort_keys=True)
        told = text.encode("utf-8", "surrogatepass")
        code_blob = self._store.put_blob([told], what="The code of a step")
        stamps = tuple((path, self._files[path].stamp) for path in cache.files)
        made = CacheSpec(base, code_blob, cache.ignore, stamps)
        self._made[step] = (settings, made)
        return made

    def _taken(self, spec: TaskSpec, cache: Cache, made: CacheSpec) -> Succeeded | None:
        memos = self._memos.setdefault(made.base, Memos(self._store.root, made.base))
        several = list(memos.reads())
        if not several:
            return None
        flow, run_spec = self._flow_class, self._run_spec
        binding = self._origins.bind(flow, spec, run_spec.parameters, gangs_of(flow))
        given = given_to(self._store, binding, run_spec, spec, values_of(flow, run_spec, spec), flow)
        for reads in several:
            memo = memos.find(key_of(made.base, reads, given))
            if memo is None or (cache.ttl is not None and time.time() - memo.made_at > cache.ttl):
                continue
            found = self._found(ManifestKey(*memo[:3]))
            if found is None:
                continue
            manifest = self._manifest(spec, binding, found, made)
            self._store.write_manifest(manifest)
            note_result(made, manifest._replace(reads=found.reads, ended_at=memo.made_at), given)
            outcome = outcome_of(manifest)
            assert isinstance(outcome, Succeeded), "only good results are noted"
            return outcome
        return None

    def _found(self, key: ManifestKey) -> Manifest | None:
        """Return an earlier result if all of it is still there; from now on nothing of it is cleaned away."""
        if not self._store.has_manifest(*key):
            return None
        manifest = self._store.read_manifest(*key)
        digests = [one.digest for one in manifest.artifacts.values() if one.is_new and one.inline is None]
        if manifest.items is not None:
            digests.append(manifest.items.digest)
        root = self._store.root
        try:
            is_whole = all(_is_there(root, digest) for digest in digests)
        except OSError:
            return None
        return manifest if manifest.is_ok and manifest.caught is None and is_whole else None

    def _manifest(self, spec: TaskSpec, binding: Binding, found: Manifest, made: CacheSpec) -> Manifest:
        """Return the task's own manifest: what it inherits now, and what the earlier one made of the same."""
        now = time.time()
        return found._replace(
            run=spec.run,
            task=spec.attempt.task,
            attempt=spec.attempt.number,
            artifacts=self._store.fit_inline(_artifacts(binding, found)),
            frames=binding.frames,
            iteration=spec.iteration,
            started_at=now,
            ended_at=now,
            cpu_s=0.0,
            max_rss_bytes=0,
            host=os.uname().nodename,
            pid=os.getpid(),
            reused=(found.run, found.task, found.attempt),
            code=made.code,
        )

    def _is_kept(self, digest: str) -> bool:
        """Tell whether a blob is still there; if so, a cleaning leaves it alone as long as the attempt goes on."""
        root = self._store.root
        try:
            return touch_blob(root, blob_path(root, digest))
        except OSError:
            return False

    def _redacted(self, step: str, source: str) -> str:
        for text in written_secrets(parse_flow(self._flow_class).steps[step].decorators):
            source = source.replace(text, REDACTED)
        return source

    def _settings(self, step: str, cache: Cache) -> dict[str, Any]:  # Any: JSON-like
        """Return everything that counts besides the code and what the task reads."""
        variables = self._run_spec.environment.get(step, {})
        env = {name: variables.get(name, os.environ.get(name)) for name in (*variables, *cache.env)}
        return {
            "flow": self._run_spec.flow,
            "step": step,
            "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "version": cache.version,
            "files": {path: self._file(path) for path in cache.files},
            "env": {
                name: ABSENT if value is None else text_digest(f"{name}={value}")
                for name, value in env.items()
            },
        }

    def _file(self, path: str) -> str:
        """Return the digest of a file or directory, which is read again when it has changed."""
        stamp = stamp_of(path)
        known = self._files.get(path)
        if known is None or known.stamp != stamp:
            known = self._files[path] = _File(stamp=stamp, digest=content_digest(path))
        return known.digest


def _artifacts(binding: Binding, found: Manifest) -> dict[str, ArtifactRecord]:
    """Return what is visible after the task. A join has its parameters anew, and all else as it was."""
    if binding.inputs is not None:
        kept = {
            name: one for name, one in found.artifacts.items() if one.is_new or name not in binding.inherited
        }
        return {**binding.inherited, **kept}
    inherited = dict(binding.inherited)
    if found.variable is not None and found.variable not in found.artifacts:
        inherited.pop(found.variable, None)  # a generator that the foreach used up
    return {**inherited, **{name: one for name, one in found.artifacts.items() if one.is_new}}


def _is_there(root: str, digest: str) -> bool:
    """Say whether a blob is there, and keep it from being swept; one that is in the bucket stays there anyway."""
    return touch_blob(root, blob_path(root, digest)) or os.path.exists(cached_blob_path(root, digest))
