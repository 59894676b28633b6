"""Pictures through OpenAI's SDK: made, edited, streamed, at OpenAI's own models, xAI's and Gemini's."""

import base64
import io
from typing import Any

import openai
import pytest
from tests.contract.contract_world import World, upstream_model
from tests.contract.speak_openai import openai_client
from tests.upstream_answers import PIXEL

PICTURE = base64.b64decode(PIXEL)


def named(name: str) -> Any:
    """A file to send."""
    file = io.BytesIO(PICTURE)
    file.name = name
    return file


def test_pictures_come_back_with_their_usage(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.images.with_raw_response.generate(
            model="chat-draws", prompt="a bridge", n=2, size="1024x1024", quality="low"
        )
    found = raw.parse()
    assert found.data is not None
    assert [image.b64_json for image in found.data] == [PIXEL, PIXEL]
    assert (found.size, found.quality, found.output_format) == ("1024x1024", "low", "png")
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (50, 272)
    assert found.usage.input_tokens_details.image_tokens == 40
    (seen,) = world.seen()
    assert seen.path == "/v1/images/generations"
    assert seen.body == {
        "model": "up-chat-draws", "prompt": "a bridge", "n": 2, "size": "1024x1024", "quality": "low",
    }  # fmt: skip
    receipt = world.receipt(raw.headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["outcome"]) == ("generate_image", "answered")
    assert receipt["usage"] == {
        "input_tokens": 10, "input_image_tokens": 40, "output_image_tokens": 272, "output_images": 2,
    }  # fmt: skip
    assert receipt["cost_nanos"] == 10 * 5_000 + 40 * 8_000 + 272 * 30_000


def test_pictures_without_tokens_are_billed_by_the_piece(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.images.with_raw_response.generate(model="grok-draws", prompt="a bridge", n=3)
    found = raw.parse()
    assert found.data is not None
    assert [image.url for image in found.data] == ["https://imgen.example/1.jpeg"] * 3
    assert found.usage is None
    receipt = world.receipt(raw.headers["x-passerelle-receipt"])
    assert (receipt["usage"], receipt["cost_nanos"]) == ({"output_images": 3}, 210_000_000)


@pytest.mark.parametrize(("form", "field"), [("url", "url"), ("b64_json", "b64_json")])
def test_a_picture_comes_in_the_form_asked_for(world: World, form: Any, field: str) -> None:
    with openai_client(world.url, world.token) as client:
        found = client.images.generate(model="gem-draws", prompt="a bridge", response_format=form)
    assert found.data is not None
    expected = f"data:image/png;base64,{PIXEL}" if form == "url" else PIXEL
    assert getattr(found.data[0], field) == expected


@pytest.mark.parametrize("model", ["chat-draws", "gem-draws"])
def test_pictures_are_edited_at_either_provider(world: World, model: str) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.images.with_raw_response.edit(
            model=model, image=[named("one.png"), named("two.png")], prompt="add a river", size="1536x1024"
        )
    found = raw.parse()
    assert found.data is not None
    assert found.data[0].b64_json == PIXEL
    (seen,) = world.seen()
    if model == "chat-draws":
        assert seen.path == "/v1/images/edits"
        assert (seen.body["model"], seen.body["prompt"]) == ("up-chat-draws", "add a river")
        assert [(kind, data) for _, kind, data in seen.body["image[]"]] == [("image/png", PICTURE)] * 2
    else:
        assert seen.path == f"/v1beta/models/{upstream_model('gem-draws')}:generateContent"
        words, *pictures = seen.body["contents"][0]["parts"]
        assert words == {"text": "add a river"}
        assert pictures == [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}] * 2
        config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "3:2"}}
        assert seen.body["generationConfig"] == config
    assert world.receipt(raw.headers["x-passerelle-receipt"])["operation"] == "edit_image"


def test_a_mask_reaches_the_provider(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        client.images.edit(
            model="chat-draws", image=named("one.png"), mask=named("hole.png"), prompt="fill the hole"
        )
    (seen,) = world.seen()
    assert seen.body["mask"][1:] == ("image/png", PICTURE)


def test_what_gemini_cannot_say_is_named(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.images.with_raw_response.generate(
            model="gem-draws", prompt="a bridge", quality="high", background="opaque", size="1000x700"
        )
    assert raw.headers["x-passerelle-dropped"] == "quality,background,size"


@pytest.mark.parametrize("model", ["chat-draws", "gem-draws"])
def test_a_picture_is_streamed_to_its_end(world: World, model: str) -> None:
    with openai_client(world.url, world.token) as client:
        events = list(client.images.generate(model=model, prompt="a bridge", stream=True, partial_images=1))
    kinds = [event.type for event in events]
    if model == "chat-draws":
        assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    else:
        assert kinds == ["image_generation.completed"]
    last: Any = events[-1]
    assert last.b64_json == PIXEL
    assert last.usage.output_tokens > 0
    (seen,) = world.seen()
    assert seen.path.partition("?")[0].endswith(
        "generations" if model == "chat-draws" else ":generateContent"
    )


@pytest.mark.parametrize(
    ("more", "field"),
    [({"prompt": " "}, "prompt"), ({"n": 11}, "n"), ({"model": "chat-plain"}, "model")],
)
def test_a_wrong_request_is_refused_naming_the_field(world: World, more: Any, field: str) -> None:
    asked: dict[str, Any] = {"model": "chat-draws", "prompt": "a bridge", **more}
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**asked)
    assert refused.value.param == field
    assert not world.seen()


def test_a_model_that_takes_no_pictures_edits_none(world: World) -> None:
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(model="grok-draws", image=named("one.png"), prompt="add a river")
    assert "takes none" in refused.value.message


def test_one_picture_at_a_time_is_said_before_the_call(world: World) -> None:
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="gem-draws", prompt="a bridge", n=2)
    assert refused.value.param == "n"
    assert not world.seen()
