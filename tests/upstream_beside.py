"""What providers do beside chat, replayed: rankings, pictures and speech, at clouds and houses in their ways.

All stand on one port and are told apart by their paths. What is not exactly as the documents say is answered
400 and kept in `wrong`: a test that passes saw none of it. The sources are those of the codecs.
"""

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.upstream_answers import PIXEL

KEY = "upstream-credential-of-a-house-0123456789"
TOKEN = "token-of-a-project-0123456789"
PROJECT = "bridge-works"
SOUND = b"ID3\x04\x00replayed speech"
SAMPLES = b"\x00\x01" * 12
SCORES = (0.25, 0.75, 0.5)


@dataclass
class Asked:
    """A request."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Beside:
    """The providers; use as a context manager."""

    seen: list[Asked] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    troubles: deque[tuple[int, dict[str, str], Any]] = field(default_factory=deque)
    """Status, headers and body with which the next requests are answered."""

    def __enter__(self) -> "Beside":
        beside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/token":
                    self._say(200, {}, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                json_sent = headers["content-type"] == "application/json"
                asked = Asked(self.path, headers, json.loads(raw) if json_sent else raw)
                beside.seen.append(asked)
                if beside.troubles:
                    self._say(*beside.troubles.popleft())
                    return
                try:
                    answer = _answer(asked)
                except AssertionError as error:
                    beside.wrong.append(f"{self.path}: {error}")
                    self._say(400, {}, {"message": str(error)})
                else:
                    self._say(200, {}, answer)

            def log_message(self, *_: object) -> None:
                pass

            def _say(self, status: int, headers: dict[str, str], value: Any) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                for name, said in headers.items():
                    self.send_header(name, said)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _only(body: Any, *names: str) -> None:
    assert body.keys() <= set(names), f"unknown fields {sorted(body.keys() - set(names))}"


def _scored(count: int, name: str = "relevance_score") -> list[dict[str, Any]]:
    found = [{"index": at, name: SCORES[at % len(SCORES)]} for at in range(count)]
    return sorted(found, key=lambda line: -line[name])


def _invoked(asked: Asked, model: str) -> Any:
    body = asked.body
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    if "rerank" in model:
        _only(body, "query", "documents", "top_n", "api_version", "max_tokens_per_doc")
        cohere = "cohere" in model
        assert body.get("api_version") == (2 if cohere else None), "#/api_version: not greater or equal to 2"
        assert all(isinstance(text, str) for text in body["documents"])
        return {"results": _scored(len(body["documents"]))[: body["top_n"]]}
    if "titan" in model:
        return {"embedding": [0.5, -0.5], "inputTextTokenCount": 7}
    _only(body, "prompt", "aspect_ratio", "mode", "output_format", "seed", "image", "mask", "strength",
          "negative_prompt", "grow_mask")  # fmt: skip
    assert "inpaint" in model or "mask" not in body
    assert "inpaint" not in model or "image" in body, "image: required"
    assert "image" not in body or "aspect_ratio" not in body
    if "forbidden" in body["prompt"]:
        return {"finish_reasons": ["Filter reason: prompt"]}
    return {"seeds": [7], "finish_reasons": [None], "images": [PIXEL]}


def _ranked(asked: Asked, place: str) -> Any:
    body = asked.body
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert place in ("global", "eu", "us")
    _only(body, "model", "query", "records", "topN", "ignoreRecordDetailsInResponse")
    assert body["model"].startswith("semantic-ranker-")
    assert all(record.keys() <= {"id", "title", "content"} for record in body["records"])
    order = _scored(len(body["records"]))
    return {
        "records": [{"id": body["records"][o["index"]]["id"], "score": o["relevance_score"]} for o in order]
    }


def _generated(asked: Asked, _: str) -> Any:
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    (wanted,) = asked.body["generationConfig"]["responseModalities"]
    samples = base64.b64encode(SAMPLES).decode()
    given = ("image/png", PIXEL) if wanted == "IMAGE" else ("audio/L16;codec=pcm;rate=24000", samples)
    part = {"inlineData": {"mimeType": given[0], "data": given[1]}}
    details = [{"modality": wanted, "tokenCount": 1120}]
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 1120, "candidatesTokensDetails": details,
             "totalTokenCount": 1129}  # fmt: skip
    return {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": usage,
    }


def _cohere(asked: Asked, _: str) -> Any:
    body = asked.body
    assert KEY in (
        asked.headers.get("api-key"),
        asked.headers.get("authorization", "").removeprefix("Bearer "),
    )
    _only(body, "model", "query", "documents", "top_n", "max_tokens_per_doc")
    found = _scored(len(body["documents"]))[: body.get("top_n")]
    return {"id": "r1", "results": found, "meta": {"billed_units": {"search_units": 1}}}


def _fireworks(asked: Asked, _: str) -> Any:
    body = asked.body
    assert body["model"].startswith("accounts/fireworks/models/")
    found = [
        {**line, "document": body["documents"][line["index"]]} for line in _scored(len(body["documents"]))
    ]
    usage = {"prompt_tokens": 31, "total_tokens": 31, "completion_tokens": 0}
    return {"object": "list", "model": body["model"], "data": found[: body.get("top_n")], "usage": usage}


def _grok(asked: Asked, verb: str) -> Any:
    body = asked.body
    _only(body, "model", "prompt", "n", "aspect_ratio", "resolution", "response_format", "quality", "user",
          "image", "images")  # fmt: skip
    assert ("image" in body or "images" in body) == (verb == "edits")
    form = body.get("response_format", "url")
    made = {"url": "https://imgen.example/1.jpeg"} if form == "url" else {"b64_json": PIXEL}
    return {"data": [made] * body.get("n", 1), "usage": {"cost_in_usd_ticks": 600000000}}


def _spoken(asked: Asked, _: str) -> Any:
    _only(asked.body, "model", "input", "voice_id", "response_format", "ref_audio")
    assert "voice_id" in asked.body
    return {"audio_data": base64.b64encode(SOUND).decode()}


def _pictured(asked: Asked, _: str) -> Any:
    assert asked.headers["api-key"] == KEY
    usage = {"input_tokens": 10, "output_tokens": 272, "input_tokens_details": {"image_tokens": 0}}
    return {"data": [{"b64_json": PIXEL}], "output_format": "png", "usage": usage}


_PLACE = rf"projects/{PROJECT}/locations/([a-z0-9-]+)"
_ROUTES: tuple[tuple[str, Callable[[Asked, str], Any]], ...] = (
    (r"/model/([^/]+)/invoke", _invoked),
    (rf"/v1/{_PLACE}/rankingConfigs/default_ranking_config:rank", _ranked),
    (rf"/v1beta1/{_PLACE}/publishers/google/models/[^/:]+:generateContent", _generated),
    (r"/(providers/cohere/v2|c/v1)/rerank", _cohere),
    (r"/f/inference/v1/(rerank)", _fireworks),
    (r"/x/v1/images/(generations|edits)", _grok),
    (r"/m/v1/audio/(speech)", _spoken),
    (r"/openai/v1/images/(generations)", _pictured),
)


def _answer(asked: Asked) -> Any:
    for route, answer in _ROUTES:
        found = re.fullmatch(route, asked.path)
        if found:
            return answer(asked, unquote(found[1]))
    raise AssertionError("no such path")
