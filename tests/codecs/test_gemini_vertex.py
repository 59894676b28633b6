"""Google's dialect as Vertex AI wants it (quirk `on_vertex`), and its corpus."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.gemini_support import CHAT
from tests.shared import shared_data

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.embed import EmbedProvider
from passerelle.core.errors import AnswerError
from passerelle.core.request import Operation

REAL = shared_data("dialects", "agentgateway")
EMBED_PROVIDER = EmbedProvider()
JSON = "application/json"
COUNT = PathTarget("count_tokens", model="gemini-2.5-flash")


def at_vertex(model: str = "gemini-2.5-flash", operation: Operation = "chat") -> Target:
    return Target(model, quirks=frozenset({"on_vertex"}), operation=operation)


def relayed(body: dict[str, Any], operation: Operation = "chat") -> Any:
    raw = json.dumps(body).encode()
    path = COUNT if operation == "count_tokens" else CHAT
    return json.loads(PROVIDER.relay_request(raw, at_vertex(operation=operation), CLIENT.envelope(raw, path)))


USER = {"role": "user", "parts": [{"text": "Hé"}]}
ASKED = {
    "contents": [USER],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "f"}]}],
    "generationConfig": {"temperature": 0.5},
}


def test_a_good_body_goes_byte_for_byte() -> None:
    raw = json.dumps({**ASKED, "labels": {"team": "a"}}, indent=1).encode()
    assert PROVIDER.relay_request(raw, at_vertex(), CLIENT.envelope(raw, CHAT)) == raw
    assert PROVIDER.relay_losses(raw, at_vertex()) == ()


def test_a_model_in_the_body_and_storing_are_left_out() -> None:
    assert relayed({**ASKED, "model": "models/x", "store": True}) == ASKED
    raw = json.dumps({**ASKED, "store": True}).encode()
    assert PROVIDER.relay_losses(raw, at_vertex()) == ("store",)


def test_contents_without_a_role_are_the_users() -> None:
    bare = {"parts": [{"text": "x"}]}
    said = relayed({"contents": [bare, {"role": "model", "parts": [{"text": "y"}]}, bare]})
    assert [content["role"] for content in said["contents"]] == ["user", "model", "user"]
    assert relayed({"contents": bare})["contents"] == [{**bare, "role": "user"}]


@pytest.mark.parametrize(
    "body",
    [
        {"generateContentRequest": {"model": "models/x", **ASKED, "safetySettings": []}},
        {**ASKED, "model": "models/x"},
    ],
)
def test_a_count_has_its_fields_at_the_top(body: dict[str, Any]) -> None:
    assert relayed(body, "count_tokens") == ASKED


def test_a_translated_count_has_the_same_form() -> None:
    request = CLIENT.decode_request(
        json.dumps({"generateContentRequest": {"model": "models/x", **ASKED, "safetySettings": []}}).encode(),
        COUNT,
    )
    sent = json.loads(PROVIDER.encode_request(request, at_vertex(operation="count_tokens")).body)
    assert sent == ASKED


@given(
    st.lists(st.sampled_from(["user", "model", None]), min_size=1, max_size=6),
    st.sets(st.sampled_from(["model", "store", "labels", "generationConfig"])),
)
def test_every_content_has_a_role_and_nothing_else_changes(roles: list[str | None], more: set[str]) -> None:
    values = {"model": "m", "store": False, "labels": {"a": "b"}, "generationConfig": {"topK": 3}}
    contents = [
        {"parts": [{"text": str(n)}], **({} if role is None else {"role": role})}
        for n, role in enumerate(roles)
    ]
    said = relayed({"contents": contents, **{name: values[name] for name in more}})
    assert [c["role"] for c in said["contents"]] == [role or "user" for role in roles]
    assert [c["parts"] for c in said["contents"]] == [c["parts"] for c in contents]
    assert {name: said[name] for name in said if name != "contents"} == {
        name: values[name] for name in more - {"model", "store"}
    }


# --- vectors


def embedded(body: dict[str, Any], model: str, *, gemini: bool = False, single: bool = False) -> Any:
    raw = json.dumps(body).encode()
    side = registry.task_client("embed", "gemini" if gemini else "openai_chat")
    assert side is not None
    request = side.decode_request(raw, PathTarget("embed", model=model, single=single))
    encoded = EMBED_PROVIDER.encode_request(request, at_vertex(model, "embed"))
    return json.loads(encoded.body), encoded.dropped


def test_models_of_before_gemini_embed_by_predict() -> None:
    body = {"model": "x", "input": ["a", "b"], "dimensions": 3}
    sent, dropped = embedded(body, "text-embedding-005")
    assert sent == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"outputDimensionality": 3},
    }
    assert dropped == ()


def test_googles_own_settings_go_where_predict_has_them() -> None:
    body = {
        "content": {"parts": [{"text": "a"}]},
        "taskType": "RETRIEVAL_DOCUMENT",
        "title": "t",
        "outputDimensionality": 3,
    }
    sent, _ = embedded(body, "text-embedding-005", gemini=True, single=True)
    assert sent == {
        "instances": [{"content": "a", "task_type": "RETRIEVAL_DOCUMENT", "title": "t"}],
        "parameters": {"outputDimensionality": 3},
    }
    one, _ = embedded(body, "gemini-embedding-2", gemini=True, single=True)
    assert one == {
        "content": {"role": "user", "parts": [{"text": "a"}]},
        "embedContentConfig": {"taskType": "RETRIEVAL_DOCUMENT", "title": "t", "outputDimensionality": 3},
    }


def test_gemini_embeds_several_in_a_batch() -> None:
    sent, _ = embedded({"model": "x", "input": ["a", "b"]}, "gemini-embedding-2")
    contents = [{"role": "user", "parts": [{"text": text}]} for text in ("a", "b")]
    assert sent == {"requests": [{"content": content} for content in contents]}


@pytest.mark.parametrize(
    "body",
    [
        {"predictions": []},
        {"predictions": [{}]},
        {"predictions": [{"embeddings": {"values": []}}]},
        {"predictions": [{"embeddings": {"values": [1.0]}}, {"embeddings": {}}]},
        {"predictions": "no"},
    ],
)
def test_predictions_without_vectors_are_no_answer(body: Any) -> None:
    with pytest.raises(AnswerError):
        EMBED_PROVIDER.decode_response(json.dumps(body).encode(), JSON)


def test_predictions_are_counted_when_every_one_says() -> None:
    one = {"embeddings": {"values": [0.5], "statistics": {"token_count": 4, "truncated": False}}}
    whole = EMBED_PROVIDER.decode_response(json.dumps({"predictions": [one, one]}).encode(), JSON)
    assert (whole.vectors, whole.usage.input_tokens) == (((0.5,), (0.5,)), 8)
    partly = {"predictions": [one, {"embeddings": {"values": [0.5]}}]}
    assert EMBED_PROVIDER.decode_response(json.dumps(partly).encode(), JSON).usage.source == "none"


# --- the corpus

needs_corpus = pytest.mark.skipif(REAL is None, reason="the corpora are not here")
REQUESTS = sorted(REAL.glob("requests/completions/*.vertex-gemini.snap")) if REAL is not None else []
_CALLS = (
    "calls keep their ids, so that parallel ones of one function can be told apart; a result that is JSON is "
    "sent as the object it is"
)
_THINKING = (
    "the effort's budget is the one Google's OpenAI-compatible endpoint gives it; thoughts are shown to who "
    "asks"
)
DIFFERS: dict[str, str] = {
    "generation-config.vertex-gemini.snap": "one answer is given, and `n` reported; a schema is JSON schema",
    "parallel-tool-call.vertex-gemini.snap": _CALLS,
    "tool-call.vertex-gemini.snap": _CALLS,
    "reasoning.vertex-gemini.snap": _THINKING,
    "reasoning_max.vertex-gemini.snap": _THINKING,
}
"""Where our translation says something else, and why."""


@needs_corpus
def test_the_corpus_of_embeddings_agrees() -> None:
    assert REAL is not None
    said = json.loads((REAL / "requests/embeddings/basic.json").read_text())
    sent, _ = embedded(said, "text-embedding-005")
    expected = snap(REAL / "requests/embeddings/basic.vertex.snap")["request"]
    # It guesses that every text is a query; OpenAI's callers do not say, and Google's default is no task.
    assert expected["instances"][0].pop("task_type") == "RETRIEVAL_QUERY"
    assert sent == expected


@needs_corpus
def test_the_corpus_of_vectors_agrees() -> None:
    assert REAL is not None
    body = (REAL / "response/vertex/embeddings.json").read_bytes()
    expected = snap(REAL / "response/vertex/embeddings.vertex.snap")["response"]
    whole = EMBED_PROVIDER.decode_response(body, JSON)
    assert [list(v) for v in whole.vectors] == [row["embedding"] for row in expected["data"]]
    assert whole.usage.input_tokens == expected["usage"]["prompt_tokens"]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name.partition(".")[0])
@needs_corpus
def test_the_corpus_of_chat_requests_agrees(path: Path) -> None:
    body = (path.parent / f"{path.name.partition('.')[0]}.json").read_bytes()
    request = registry.client("openai_chat").decode_request(body, CHAT)
    sent = json.loads(PROVIDER.encode_request(request, at_vertex("gemini-2.5-pro")).body)
    expected = snap(path)["request"]
    if path.name in DIFFERS:
        assert sent != expected
    else:
        assert sent == expected


def snap(path: Path) -> Any:
    return json.loads(path.read_text().split("\n---\n", 1)[1])
