"""A provider without a model: answers in any dialect, in process, as its script says.

For demonstrations, drills and tests of everything above it. It is honest: its text begins by saying that it
is simulated and its model names begin with `simulated-`. It decodes the deployment's dialect with the
caller-facing side of the codec and answers through the same, so its bytes are as right as the codecs.
"""

import asyncio
import hashlib
from re import Pattern

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext
from passerelle.core.clock import Clock, SystemClock
from passerelle.core.errors import Problem, ProblemError, ProblemKind
from passerelle.core.event import PartDelta
from passerelle.core.model import Deployment
from passerelle.core.request import TASKS, Operation
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.simulated.answer import answer, prompt_tokens
from passerelle.providers.simulated.reply import Sleep, StreamReply, WholeReply
from passerelle.providers.simulated.script import Script
from passerelle.providers.simulated.tasks import perform

_JSON = {"content-type": "application/json"}

_KINDS: dict[int, ProblemKind] = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "permission_denied",
    404: "model_not_found",
    413: "too_large",
    429: "rate_limited",
    500: "internal",
    503: "overloaded",
    504: "upstream_timeout",
    529: "overloaded",
}


def simulated_name(model: str) -> str:
    """`model` with the prefix that says what it is."""
    return model if model.startswith("simulated") else f"simulated-{model}"


class SimulatedProvider:
    """A configured provider entry of kind `simulated`."""

    def __init__(
        self, name: str, script: Script, *, clock: Clock | None = None, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.name = name
        self.hidden: Pattern[str] | None = None
        self._script = script
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._count = 0

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Chat everywhere; vectors and counts where the dialect has them."""
        if operation in TASKS:
            return registry.task_client(operation, deployment.dialect) is not None
        if operation == "count_tokens":
            return deployment.dialect in ("anthropic", "gemini")
        return True

    async def send(self, call: Call) -> Reply:
        """Answer as the script says. Raises `SendError("timeout")` when it is slower than the deadline."""
        self._count += 1
        script, count = self._script, self._count
        if count <= script.fail_first or (script.fail_every and count % script.fail_every == 0):
            return self._failure(call, script.fail_status, f"scripted failure of request {count}")
        try:
            if call.operation in TASKS:
                return await self._task(call)
            return await self._chat(
                call, refuse=bool(script.refuse_every and count % script.refuse_every == 0)
            )
        except ProblemError as error:
            said = registry.client(call.dialect).encode_problem(error.problem, "simulated")
            return WholeReply(said.status, _JSON | dict(said.headers), said.body)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _chat(self, call: Call, *, refuse: bool) -> Reply:
        codec = registry.client(call.dialect)
        model = call.deployment.upstream_model
        target = PathTarget(call.operation, model=model, stream=call.stream)
        request = codec.decode_request(call.body, target)
        if call.operation == "count_tokens":
            return WholeReply(200, _JSON, codec.encode_token_count(prompt_tokens(request)))
        said = answer(request, self._script, model=simulated_name(model), digest=_digest(call), refuse=refuse)
        context = ReplyContext(
            id=said.id,
            model=said.model,
            created_s=self._clock.unix_ns() // 1_000_000_000,
            include_usage=request.include_usage,
            request=request,
        )
        if not call.stream:
            await self._wait(call, len(said.pieces))
            body = codec.encode_response(said.response(), context)
            return WholeReply(200, _JSON, body, cut=self._script.cut_after_events is not None)
        encoder = codec.stream_encoder(context)
        pieces: list[bytes] = []
        lead = None
        for event in said.events():
            piece = encoder.encode(event)
            if lead is None and isinstance(event, PartDelta):
                lead = len(pieces)
            if piece:
                pieces.append(piece)
        return StreamReply(
            {"content-type": encoder.content_type},
            pieces,
            sleep=self._sleep,
            first_s=self._script.first_content_s,
            tokens_per_s=self._script.tokens_per_s,
            lead=lead or 0,
            cut_after=self._script.cut_after_events,
        )

    async def _task(self, call: Call) -> Reply:
        codec = registry.task_client(call.operation, call.dialect)
        if codec is None:
            words = f"the dialect `{call.dialect}` has no `{call.operation}`"
            raise SendError("not_found", words, sent=False)
        model = call.deployment.upstream_model
        # Gemini says single or batch in its path, which a call does not carry: the body tells them apart.
        single = call.dialect == "gemini" and b'"requests"' not in call.body
        target = PathTarget(call.operation, model=model, single=single, content_type=call.content_type)
        request = codec.decode_request(call.body, target)
        await self._wait(call, 0)
        found = perform(request, self._script, model=simulated_name(model))
        created_s = self._clock.unix_ns() // 1_000_000_000
        context = ReplyContext(id=_digest(call).hex()[:16], model=simulated_name(model), created_s=created_s)
        done = codec.encode_response(found, request, context)
        return WholeReply(200, {"content-type": done.content_type}, done.body)

    async def _wait(self, call: Call, tokens: int) -> None:
        script = self._script
        needed = script.first_content_s + (tokens / script.tokens_per_s if script.tokens_per_s else 0.0)
        allowed = min(call.deadlines.headers_s, call.remaining_s)
        if needed > allowed:
            await self._sleep(allowed)
            raise SendError("timeout", f"the simulated answer needs {needed:g} s and has {allowed:g} s")
        if needed:
            await self._sleep(needed)

    def _failure(self, call: Call, status: int, words: str) -> Reply:
        kind = _KINDS.get(status, "upstream_error" if status >= 500 else "invalid_request")
        problem = Problem(kind, words, status=status, retry_after_s=self._script.fail_retry_after_s)
        said = registry.client(call.dialect).encode_problem(problem, "simulated")
        return WholeReply(status, _JSON | dict(said.headers), said.body)


def _digest(call: Call) -> bytes:
    """Two deployments give two answers to the same question, and each the same one every time."""
    digest = hashlib.blake2b(call.deployment.upstream_model.encode() + b"\0", digest_size=32)
    digest.update(call.body)
    return digest.digest()
