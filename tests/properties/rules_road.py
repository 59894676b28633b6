"""The real road of one worker, with providers that write down every call and do as the world says.

Nothing here waits: the event loop's time jumps to whatever is waited for.
"""

import asyncio
import json
import selectors
from collections.abc import AsyncIterator, Mapping
from itertools import count
from pathlib import Path
from re import Pattern
from typing import Any

from tests.gateway.stage import frames, whole_body
from tests.properties.rules_worlds import (
    Question,
    World,
    demands_of,
    deployments_of,
    models_of,
    principal_of,
    rules_of,
)

from passerelle.app import App, Source
from passerelle.catalog import Catalog
from passerelle.codecs.base import PathTarget
from passerelle.core.clock import mint
from passerelle.core.errors import ProblemError
from passerelle.core.model import Deployment
from passerelle.core.request import Operation
from passerelle.gateway.generation import Generation
from passerelle.gateway.trip import Ask, Wishes
from passerelle.policy.rules import compile_policy
from passerelle.providers.base import Call, SendError

_CASCADE = b"x-passerelle-cascaded"


class _Jumping(selectors.DefaultSelector):
    """Adds up what would have been waited, instead of waiting it."""

    ahead_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.ahead_s += timeout
            timeout = 0
        return super().select(timeout)


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop that never waits for time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.ahead_s


class _Reply:
    complete_by_eof = False

    def __init__(self, status: int, pieces: list[bytes], *, cut: bool, stream: bool) -> None:
        self.status = status
        self._pieces = pieces
        self._cut = cut
        self._stream = stream

    @property
    def headers(self) -> Mapping[str, str]:
        return {"content-type": "text/event-stream" if self._stream else "application/json"}

    async def read(self) -> bytes:
        if self._cut:
            raise SendError("transport", "cut")
        return b"".join(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._cut:
            raise SendError("transport", "cut")

    def set_deadline(self, at: float | None) -> None:
        pass

    async def aclose(self) -> None:
        pass


def _error(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"code": code, "type": code, "message": message}}).encode()


_STATUSES = {
    "rate_limited": _error(429, "rate_limit_exceeded", "slow down"),
    "quota": _error(429, "insufficient_quota", "you exceeded your current quota"),
    "auth": _error(401, "invalid_api_key", "no"),
    "server_error": _error(500, "server_error", "oops"),
    "overloaded": _error(503, "overloaded", "busy"),
    "not_found": _error(404, "model_not_found", "no such model"),
    "too_long": _error(400, "context_length_exceeded", "maximum context length is 8 tokens"),
    "refused": _error(400, "content_policy_violation", "against the rules"),
    "bad_request": _error(400, "invalid_value", "no"),
    "html": (200, b"<!doctype html><title>Log in</title>"),
    "malformed": (200, b'{"id": '),
    "empty": (200, b""),
}
_WHOLE = {dialect: whole_body(dialect) for dialect in ("openai_chat", "anthropic")}  # type: ignore[arg-type]
_FRAMES = {dialect: frames(dialect) for dialect in ("openai_chat", "anthropic")}  # type: ignore[arg-type]


class Recorder:
    """A provider that writes down who was called, and answers or fails as its world has it."""

    hidden: Pattern[str] | None = None

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self._world = world
        self.calls: list[str] = []

    async def send(self, call: Call) -> _Reply:
        self.calls.append(call.deployment.id)
        trouble = self._world.down.get(call.deployment.id)
        if trouble == "reset":
            raise SendError("transport", "reset")
        if trouble == "timeout":
            raise SendError("timeout", "too late")
        if trouble in _STATUSES:
            status, body = _STATUSES[trouble]
            return _Reply(status, [body], cut=False, stream=False)
        said = _FRAMES[call.dialect] if call.stream else [_WHOLE[call.dialect]]
        cut = trouble == "cut"
        return _Reply(200, said[: len(said) // 2] if cut else said, cut=cut, stream=call.stream)

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        return operation in ("chat", "embed")

    async def aclose(self) -> None:
        pass


class RulesRoad:
    """One worker's road. `enter` a world, then `ask`."""

    def __init__(self, folder: Path) -> None:
        config = folder / "passerelle.toml"
        config.write_text("providers_from_environment = false\n[local]\nenabled = false\n")
        source = Source(config, {}, {"data_dir": str(folder / "data")})
        self.app = App(source, source.read())
        self._numbers = count(1)
        self._providers: dict[str, Recorder] = {}
        self.cascades: list[str] = []
        """How cascades ended."""

    def enter(self, world: World) -> None:
        """Decide by this world from now on."""
        models = models_of(world)
        catalog = Catalog.of(models.values(), deployments_of(world, models), world.aliases)
        named = {place.provider for place in world.places if place.configured}
        self._providers = {name: Recorder(name, world) for name in sorted(named)}
        number = next(self._numbers)
        classes = {name: demands_of(asked) for name, asked in world.classes.items()}
        self.app.generations.current = Generation(
            number=number,
            digest=f"{number:08x}",
            catalog=catalog,
            policy=compile_policy(classes, default=world.default_class, version="1"),  # type: ignore[arg-type]
            providers=self._providers,
            deadlines={},
            onward=world.onward,
            router=rules_of(world),
        )

    async def ask(self, question: Question, body: bytes) -> tuple[list[str], str | None]:
        """The places called for it, and the kind of problem told, if any was told before the answer."""
        for provider in self._providers.values():
            provider.calls.clear()
        road, problem = self.app.road, None
        try:
            delivery = await road.travel(self._made(question, body, explain=False))
            self.cascades += [value.decode() for name, value in delivery.headers if name == _CASCADE]
            if delivery.chunks is not None:
                async for _ in delivery.chunks:
                    pass
        except ProblemError as error:
            problem = error.problem.kind
        return [place for provider in self._providers.values() for place in provider.calls], problem

    def planned(self, question: Question, body: bytes) -> set[str] | None:
        """The candidates of its plan; None where it is refused."""
        try:
            explanation = self.app.road.explain(self._made(question, body, explain=True))
        except ProblemError:
            return None
        return {candidate.deployment for candidate in explanation.plan.candidates}

    def _made(self, question: Question, body: bytes, *, explain: bool) -> Ask:
        clock = self.app.clock
        return Ask(
            principal=principal_of(question.who),
            dialect=question.dialect,  # type: ignore[arg-type]
            target=PathTarget("chat"),
            body=body,
            request_id=mint("req"),
            receipt_id=mint("rcp"),
            at_ns=clock.unix_ns(),
            started_s=clock.monotonic_s(),
            wishes=Wishes(
                mode=question.mode,  # type: ignore[arg-type]
                models=question.only,
                data_class=question.declared,  # type: ignore[arg-type]
                affinity=question.affinity,  # type: ignore[arg-type]
                session=question.session,
                cascade=question.cascade,
                explain=explain,
            ),
        )
