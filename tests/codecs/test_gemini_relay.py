"""Relayed bodies: unchanged, but for a model that is repeated and a signature Gemini 3 demands."""

import json
from typing import Any

from msgspec.structs import replace
from tests.codecs.gemini_support import (
    CHAT,
    COUNT,
    PRO,
    SIGNATURE,
    THREE,
    answered,
    call,
    dump,
    model,
    text,
    user,
)

from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.signatures import STAND_IN


def relay(body: bytes, target: Any = PRO, path: Any = CHAT) -> bytes:
    return PROVIDER.relay_request(body, target, CLIENT.envelope(body, path))


def test_an_ordinary_body_goes_byte_for_byte() -> None:
    body = b'{ "contents" : [{"role":"model","parts":[{"text":"x" }]}], "unknown":1e0 }'
    assert relay(body) is body
    assert relay(body, THREE) is body


def test_a_model_repeated_in_the_body_follows_the_path() -> None:
    body = b'{"model": "models/alias","contents":[ {"parts":[{"text":"x"}]} ],"z":1.0}'
    assert relay(body) == b'{"model":"models/gemini-2.5-pro","contents":[ {"parts":[{"text":"x"}]} ],"z":1.0}'


def test_counting_splices_the_model_of_the_inner_request() -> None:
    inner = {"model": "models/alias", "contents": [user(text("x"))]}
    body = dump({"generateContentRequest": inner})
    assert json.loads(relay(body, path=COUNT)) == {
        "generateContentRequest": {**inner, "model": "models/gemini-2.5-pro"}
    }
    bare = dump({"contents": [user(text("x"))]})
    assert relay(bare, path=COUNT) == bare


MOVED = {
    "contents": [
        user(text("hi")),
        model(text("ok"), call("f", {"n": 1.50}), call("g")),
        user(answered("f", {}), answered("g", {})),
        model({**call("f"), "thoughtSignature": SIGNATURE}),
        user(answered("f", {})),
    ],
    "tools": [],
}


def test_a_conversation_moved_to_gemini_3_gets_the_stand_in_where_it_is_demanded() -> None:
    body = dump(MOVED)
    assert relay(body) is body
    spliced = json.loads(relay(body, THREE))
    first = spliced["contents"][1]["parts"][1]
    assert first.pop("thoughtSignature") == STAND_IN
    assert spliced == MOVED
    assert relay(relay(body, THREE), THREE) == relay(body, THREE)


def test_a_body_only_the_lenient_parser_reads_is_left_to_google() -> None:
    body = dump({"contents": {"parts": call("f")}})
    assert relay(body, THREE) == body


def test_the_target_path_decides_streaming_and_the_model() -> None:
    seen = CLIENT.envelope(dump(MOVED), replace(CHAT, stream=True, model="models/x"))
    assert (seen.stream, seen.model) == (True, "x")
