"""Providers on a stage: `faultd` in a thread of its own, scripted per model, for gateways in other processes.

The model's name as the provider is asked for it picks the script: `stage.script("m-1.a", Reset())`. A request
without a script gets a good answer in its own dialect.
"""

import asyncio
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests import upstream_answers as answers
from tests import upstream_bedrock as bedrock
from tests import upstream_openai as openai
from tests.faultd import LAST_CHUNK, Received, Send, Session, Step, Upstream, answer, chunk, chunked_head
from tests.gateway.door import DIALECTS
from tests.upstream import read_body

from passerelle.core.request import Dialect

KINDS = {"anthropic": "anthropic", "gemini": "gemini", "bedrock": "bedrock"}
SECRET = "upstream-credential-0123456789abcdef"
"""What the gateway shows to every staged provider."""
PRICE = '{ input = "3", output = "15" }'


class Stage:
    """See the module. Use as a context manager."""

    def __init__(self) -> None:
        self._scripts: dict[str, deque[Sequence[Step]]] = defaultdict(deque)
        self._always: dict[str, Sequence[Step]] = {}
        self._deciding: dict[str, Callable[[Received, dict[str, Any]], Sequence[Step]]] = {}
        self._provider: Callable[[Received, dict[str, Any]], Sequence[Step]] | None = None
        self.requests: list[tuple[str, Received]] = []
        """(model, request), in the order they came."""

    def __enter__(self) -> Self:
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with Upstream() as upstream:
                upstream.route = self._route
                self._upstream, self.port = upstream, upstream.port
                self._over = asyncio.Event()
                ready.set()
                await self._over.wait()

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(serve())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.set(self._over)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def script(self, model: str, *steps: Step) -> None:
        """What to do with the model's next request that has no script yet."""
        self._scripts[model].append(steps)

    def always(self, model: str, *steps: Step) -> None:
        """What to do with every request for the model."""
        self._always[model] = steps

    def answer_with(self, provider: Callable[[Received, dict[str, Any]], Sequence[Step]] | None) -> None:
        """Have `provider(request, body)` decide about every request, or no longer."""
        self._provider = provider

    def when(self, model: str, decide: Callable[[Received, dict[str, Any]], Sequence[Step]]) -> None:
        """Have `decide(request, body)` choose what to do with the model's requests."""
        self._deciding[model] = decide

    def clear(self, model: str) -> None:
        """Forget the scripts the model's requests have left."""
        self._scripts[model].clear()

    def seen(self, model: str) -> list[Received]:
        """The requests for that model so far."""
        return [request for name, request in self.requests if name == model]

    def event(self) -> asyncio.Event:
        """An event for `Until`; set it with `set`."""
        return asyncio.Event()

    def set(self, event: asyncio.Event) -> None:
        """Set an event, from the test's thread."""
        self.loop.call_soon_threadsafe(event.set)

    def gone(self, session: Session, within_s: float) -> bool:
        """Whether the client left that connection within the time."""

        async def leave() -> bool:
            try:
                async with asyncio.timeout(within_s):
                    await session.gone.wait()
            except TimeoutError:
                return False
            return True

        return asyncio.run_coroutine_threadsafe(leave(), self.loop).result(within_s + 5)

    def connections(self) -> int:
        """How many were made to it, whatever became of them."""
        return len(self._upstream.sessions)

    def _route(self, request: Received) -> Sequence[Step]:
        body = read_body(request.body, request.header("content-type") or "")
        model = answers.asked_model(request.path, body)
        self.requests.append((model, request))
        if self._provider is not None:
            return self._provider(request, body)
        if self._scripts[model]:
            return self._scripts[model].popleft()
        if model in self._always:
            return self._always[model]
        if model in self._deciding:
            return self._deciding[model](request, body)
        try:
            return (Send(good(request.path, body)),)
        except (AttributeError, TypeError, ValueError):  # as real ones do, it refuses what it cannot read
            return (Send(answer(b'{"error": {"message": "no"}}', status=400)),)


def good(path: str, body: dict[str, Any]) -> bytes:
    """A complete answer, whole or streamed as the request wants it."""
    dialect, stream = spoken(path, body)
    return stream_bytes(dialect, body, path) if stream else answer(whole_body(dialect, body, path))


def spoken(path: str, body: dict[str, Any]) -> tuple[Dialect, bool]:
    """The dialect of a request, and whether it wants a stream."""
    path = path.partition("?")[0]
    if path.endswith(("enerateContent",)):
        return "gemini", path.endswith("streamGenerateContent")
    if bedrock.asked(path) is not None:
        return "bedrock", path.endswith("-stream")
    dialect: Dialect = (
        "openai_chat"
        if path.endswith("/chat/completions")
        else "openai_responses"
        if path.endswith("/responses")
        else "anthropic"
    )
    return dialect, bool(body.get("stream"))


def whole_body(dialect: Dialect, body: dict[str, Any] | None = None, path: str = "") -> bytes:
    """The body of a complete whole answer."""
    made = {
        "openai_chat": openai.chat,
        "openai_responses": openai.responses,
        "anthropic": answers.anthropic,
        "gemini": answers.gemini,
        "bedrock": bedrock.converse,
    }[dialect](path, body or {})
    return json.dumps(made).encode()


def frames(dialect: Dialect, body: dict[str, Any] | None = None, path: str = "") -> list[bytes]:
    """The frames of a complete stream; usage is told."""
    if dialect == "bedrock":
        return bedrock.converse_stream(path, body or {})
    make = {
        "openai_chat": openai.chat_stream,
        "openai_responses": openai.responses_stream,
        "anthropic": answers.anthropic_stream,
        "gemini": answers.gemini_stream,
    }[dialect]
    return [frame.encode() for frame in make(path, body or {"stream_options": {"include_usage": True}})]


def stream_bytes(dialect: Dialect, body: dict[str, Any] | None = None, path: str = "") -> bytes:
    """A complete stream on the wire."""
    return chunked_head() + b"".join(chunk(f) for f in frames(dialect, body, path)) + LAST_CHUNK


def lead_in(dialect: Dialect) -> int:
    """How many frames of `frames` come before the first content."""
    return {"openai_chat": 1, "openai_responses": 4, "anthropic": 3, "gemini": 0, "bedrock": 1}[dialect]


@dataclass
class Catalogue:
    """A configuration file in the making."""

    lines: list[str] = field(
        default_factory=lambda: ["providers_from_environment = false", "[local]", "enabled = false"]
    )
    aliases: list[str] = field(default_factory=list)

    def provider(self, name: str, dialect: Dialect, url: str, *more: str) -> None:
        """A provider at `url`, of our own credential."""
        kind = KINDS.get(dialect, "openai_like")
        self.lines += [
            f"[providers.{name}]",
            f'kind = "{kind}"',
            f'dialect = "{dialect}"',
            f'base_url = "{url}{"/v1" if kind == "openai_like" else ""}"',
            'credential = "env:STAGE_CREDENTIAL"',
            "allow_private_network = true",
            "models = []",
            *([f'region = "{bedrock.REGION}"'] if kind == "bedrock" else []),
            *more,
        ]

    def model(self, name: str, *providers: str, price: str | None = PRICE, more: Sequence[str] = ()) -> None:
        """A model with a deployment at each provider, asked for there as `{name}.{provider}`."""
        self.lines += ["[[models]]", f'id = "{name}"', *more]
        if price is not None:
            self.lines.append(f"price = {price}")
        for provider in providers:
            self.deployment(provider, name)

    def deployment(self, provider: str, model: str, *more: str) -> None:
        """One deployment."""
        self.lines += ["[[deployments]]", f'provider = "{provider}"', f'model = "{model}"']
        self.lines += [f'upstream_model = "{model}.{provider}"', *more]

    def duo(self, name: str, first: str, second: str) -> None:
        """A model at two providers, tried in that order under the alias `{name}`."""
        model = f"{name}-model"
        self.model(model, first, second)
        self.aliases.append(f'{name} = ["{first}/{model}.{first}", "{second}/{model}.{second}"]')

    @property
    def text(self) -> str:
        """The file."""
        return "\n".join([*self.lines, "[aliases]", *self.aliases])


ENV = {"STAGE_CREDENTIAL": SECRET}


def short(dialect: Dialect) -> str:
    """A name for providers of that dialect."""
    names: dict[Dialect, str] = {
        "openai_chat": "chat",
        "openai_responses": "resp",
        "anthropic": "claude",
        "gemini": "gem",
        "bedrock": "rock",
    }
    return names[dialect]


__all__ = ["DIALECTS", "Catalogue", "Stage"]
