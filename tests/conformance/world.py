"""One gateway in front of all the houses, each a strict replayed provider under a path of its own.

Every request carries a reference in its words (`ref00042`), by which the provider knows what to say to it and
the test finds what was heard: exchanges may run side by side.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from tests.conformance import (
    maker_anthropic,
    maker_bedrock,
    maker_chat,
    maker_gemini,
    maker_responses,
)
from tests.conformance.house import House
from tests.conformance.line import Line, Told
from tests.conformance.talk import Answer, Ask, Json, RefusedError
from tests.serving import Gateway
from tests.upstream import Upstream

MAKERS: dict[str, ModuleType] = {
    "openai_chat": maker_chat,
    "openai_responses": maker_responses,
    "anthropic": maker_anthropic,
    "gemini": maker_gemini,
    "bedrock": maker_bedrock,
}
_REF = re.compile(rb"ref\d{5}")
RETRY_AFTER_S = 17
"""Longer than the gateway waits: the caller is told at once."""
VECTOR = (0.5, -0.25)
_APART_S = 0.05


@dataclass
class Script:
    """What a provider does with the requests of one reference, and what came."""

    answer: Answer | Callable[[Ask], Answer] = field(default_factory=Answer)
    status: int = 200
    broken: str = ""
    """Its stream says an `error` after half of the content, or is `cut` there."""
    heard: list[Ask] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


@dataclass
class Strict(Upstream):
    """All houses behind one port: `/{house}/…`."""

    houses: dict[str, House] = field(default_factory=dict)
    scripts: dict[bytes, Script] = field(default_factory=dict)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rest = head.decode().split("\r\n")
                path = line.split(" ", 2)[1]
                headers = {n.lower(): v.strip() for n, _, v in (r.partition(":") for r in rest if r)}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                name, _, place = path[1:].partition("/")
                first, later = self._said(self.houses[name], place, raw)
                writer.write(first)
                await writer.drain()
                if later:
                    # Content must be on its way before the trouble: what comes in one read may be taken over.
                    await asyncio.sleep(_APART_S)
                    writer.write(later)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _said(self, house: House, place: str, raw: bytes) -> tuple[bytes, bytes]:
        body: Json = json.loads(raw)
        found = _REF.search(raw)
        script = self.scripts[found.group()] if found else Script()
        script.bodies.append(body)
        maker = MAKERS[house.dialect]
        if house.dialect == "gemini":
            model, _, verb = place.partition("?")[0].rpartition("/")[2].partition(":")
            body = {**body, "model": model, "stream": verb == "streamGenerateContent"}
            if verb in ("countTokens", "embedContent", "batchEmbedContents"):
                return _json(200, _side(verb, body)), b""
        if house.dialect == "bedrock":
            model, _, verb = place.removeprefix("model/").rpartition("/")
            body = {**body, "model": unquote(model), "stream": verb == "converse-stream"}
            if verb == "count-tokens":
                return _json(200, {"inputTokens": 40}), b""
        if place.endswith(("count_tokens", "embeddings")):
            return _json(200, _side(place.rpartition("/")[2], body)), b""
        try:
            heard = maker.hear(body, house)
            script.heard.append(heard)
        except RefusedError as refusal:
            script.refusals.append(str(refusal))
            return _json(400, maker.problem(400, str(refusal))), b""
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            script.refusals.append(f"unreadable: {error!r}")
            return _json(400, maker.problem(400, f"unreadable: {error!r}")), b""
        if script.status != 200:
            return _json(script.status, maker.problem(script.status, f"trouble {script.status}")), b""
        answer = script.answer if isinstance(script.answer, Answer) else script.answer(heard)
        if heard.logprobs is None:
            answer = replace(answer, logprobs=())
        if body.get("stream"):
            frames = maker.stream(answer, house, body)
            return _stream(maker.broken(frames) if script.broken else frames, broken=script.broken)
        return _json(200, maker.say(answer, house, body)), b""


def _side(what: str, body: Json) -> Json:
    """The answers to side questions."""
    if what == "countTokens":
        return {"totalTokens": 40}
    if what == "count_tokens":
        return {"input_tokens": 40}
    counted = {"promptTokenCount": 7, "totalTokenCount": 7}
    if what == "embedContent":
        return {"embedding": {"values": VECTOR}, "usageMetadata": counted}
    if what == "batchEmbedContents":
        return {"embeddings": [{"values": VECTOR} for _ in body["requests"]], "usageMetadata": counted}
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [{"object": "embedding", "index": i, "embedding": VECTOR} for i in range(len(inputs))]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": vectors, "model": body["model"], "usage": usage}


def _json(status: int, value: Any) -> bytes:
    data = json.dumps(value).encode()
    kind = maker_bedrock.ERRORS.get(status, "")
    after = b"retry-after: %d\r\n" % RETRY_AFTER_S if status in (429, 500, 503, 529) else b""
    after += b"x-amzn-errortype: %b\r\n" % kind.encode() if kind and value.keys() == {"message"} else b""
    head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n%b" % (status, after)
    return head + b"content-length: %d\r\n\r\n%b" % (len(data), data)


def _stream(frames: list[Any], *, broken: str) -> tuple[bytes, bytes]:
    amazon = isinstance(frames[0], bytes)
    kind = b"application/vnd.amazon.eventstream" if amazon else b"text/event-stream"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind
    chunks = frames if amazon else [frame.encode() for frame in frames]
    written = [b"%x\r\n%b\r\n" % (len(c), c) for c in chunks]
    last = written.pop() if broken else b""
    first = head + b"".join(written)
    if broken == "cut":
        return first, b"0\r\n\r\n"
    return (first, last + b"0\r\n\r\n") if broken else (first + b"0\r\n\r\n", b"")


class World:
    """The running gateway, the houses behind it, and a key."""

    def __init__(self, gateway: Gateway, upstream: Strict) -> None:
        self.upstream = upstream
        self.log = gateway.log
        self._token = _new_key(gateway)
        self._place = urlsplit(gateway.base_url).netloc
        self._here = threading.local()
        self._opened: list[Line] = []
        self._count = 0
        self._lock = threading.Lock()

    def script(self, script: Script) -> str:
        """A fresh reference that gets `script`."""
        with self._lock:
            self._count += 1
            ref = f"ref{self._count:05d}"
        self.upstream.scripts[ref.encode()] = script
        return ref

    def ask(self, dialect: str, path: str, body: Json, headers: dict[str, str] | None = None) -> Told:
        """Send as a client of `dialect` does."""
        carrier = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(dialect)
        sent = {"content-type": "application/json", **(headers or {})}
        sent |= {carrier: self._token} if carrier else {"authorization": f"Bearer {self._token}"}
        if dialect == "anthropic":
            sent["anthropic-version"] = "2023-06-01"
        line = getattr(self._here, "line", None)
        if line is None:
            line = self._here.line = Line(self._place)
            self._opened.append(line)
        told: Told = line.ask(path, sent, json.dumps(body).encode())
        return told

    def close(self) -> None:
        """The connections of all threads, which must be over."""
        for line in self._opened:
            line.close()


def _new_key(gateway: Gateway) -> str:
    """A key the gateway made itself, and so knows already."""
    admin = gateway.key("--name", "admin", "--role", "admin")["token"]
    headers = {"authorization": f"Bearer {admin}", "content-type": "application/json"}
    asked = Request(f"{gateway.base_url}/api/keys", b'{"name": "conformance"}', headers)
    with urlopen(asked, timeout=10) as answer:
        token: str = json.load(answer)["token"]
    return token


def _config(houses: tuple[House, ...], base_url: str) -> str:
    lines = ["providers_from_environment = false", "[local]", "enabled = false"]
    for house in houses:
        address = f'base_url = "{base_url}/{house.name}{house.root}"'
        credential = 'credential = "env:CONFORMANCE_CREDENTIAL"'
        lines += [f"[providers.{house.name}]", house.entry, address, credential]
        lines.append("allow_private_network = true")
    return "\n".join(lines + [house.more for house in houses])


@contextmanager
def running(folder: Path, houses: tuple[House, ...]) -> Iterator[World]:
    """The gateway and the houses, up."""
    env = {"CONFORMANCE_CREDENTIAL": "upstream-credential-0123456789abcdef"}
    with (
        Strict(houses={house.name: house for house in houses}) as upstream,
        Gateway(folder, _config(houses, upstream.base_url), env=env) as gateway,
    ):
        world = World(gateway, upstream)
        yield world
        world.close()
