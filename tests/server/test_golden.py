"""Golden sets are read by the paths and codecs of the door."""

import json
from pathlib import Path

import pytest
from tests.gateway.stage import Catalogue
from tests.worlds import principal

from passerelle.app import App, Source
from passerelle.server import golden
from passerelle.server.golden import BadLine, parse, target_of

WHO = principal()


def test_every_model_route_is_known_and_nothing_else_is(tmp_path: Path) -> None:
    config = tmp_path / "passerelle.toml"
    config.write_text(Catalogue().text)
    source = Source(config, {}, {"data_dir": str(tmp_path / "data")})
    app = App(source, source.read())
    app.store.close()
    called = {
        route.path: route.dialect
        for route in app.entrance.routes
        if route.permission == "model:call" and "POST" in route.methods and not route.prefix
    }
    kept = ("/v1/files", "/v1/batches", "/v1/messages/batches", "/v1/conversations", "/v1/responses/compact")
    asked = {path: dialect for path, dialect in called.items() if not path.startswith(kept)}
    assert {path: dialect for path, (dialect, _) in golden.FIXED.items()} == asked


@pytest.mark.parametrize(
    ("path", "dialect", "operation", "model", "stream"),
    [
        (
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "gemini",
            "chat",
            "gemini-2.5-pro",
            True,
        ),
        ("/v1/models/text-embedding-005:embedContent", "gemini", "embed", "text-embedding-005", False),
        ("/model/eu.anthropic.claude/converse-stream", "bedrock", "chat", "eu.anthropic.claude", True),
    ],
)
def test_a_path_that_says_the_model_is_read_as_at_the_door(
    path: str, dialect: str, operation: str, model: str, stream: bool
) -> None:
    found, target = target_of(path)
    assert (found, target.operation, target.model, target.stream) == (dialect, operation, model, stream)


def test_a_request_is_what_its_codec_reads() -> None:
    body = {
        "model": "m",
        "max_tokens": 7,
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "hello"}],
    }
    line = {
        "path": "/v1/messages",
        "body": body,
        "headers": {"X-Passerelle-Data-Class": "health"},
        "key": "key_1",
    }
    other = {"url": "/v1/embeddings", "custom_id": "two", "body": {"model": "e", "input": "x"}}
    text = f"\n{json.dumps(line)}\n\n{json.dumps(other)}\n"
    first, second = parse(text.encode(), WHO)
    assert (first.name, first.key, first.wishes.data_class) == ("line 2", "key_1", "health")
    assert (first.envelope.model, first.envelope.max_output_tokens) == ("m", 7)
    assert "tools" in first.envelope.features
    assert (second.name, second.envelope.operation) == ("two", "embed")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ('{"path": "/v1/chat/completions"}', "body"),
        ('{"path": "/v1/nothing", "body": {}}', "/v1/nothing"),
        ('{"path": "/v1beta/models/m:dance", "body": {}}', "dance"),
        ('{"path": "/v1/chat/completions", "body": {"messages": []}}', "model"),
        ('{"path": "/v1/messages", "body": 7}', "line 1"),
        ('{"path": "/v1/messages", "body": {}, "headers": {"x-passerelle-mode": "best"}}', "mode"),
    ],
)
def test_a_line_that_is_no_request_is_named(line: str, said: str) -> None:
    with pytest.raises(BadLine, match=said):
        list(parse(line.encode(), WHO))
