"""Black Forest Labs through the front door: a job is one answer, and its key goes to no one else."""

import base64
from collections.abc import Iterator

import openai
import pytest
from tests.serving import Gateway
from tests.upstream_bfl import KEY, PICTURE, Labs

CONFIG = """
providers_from_environment = false
[local]
enabled = false
[providers.bfl]
base_url = "{url}"
credential = "env:BFL_TEST"
allow_private_network = true
deadlines = {{ first_content_s = 3 }}
"""


@pytest.fixture(scope="module")
def labs() -> Iterator[Labs]:
    with Labs() as labs:
        yield labs


@pytest.fixture(scope="module")
def gateway(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = CONFIG.format(url=labs.base_url)
    with Gateway(tmp_path_factory.mktemp("bfl"), config, env={"BFL_TEST": KEY}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    token: str = gateway.key()["token"]
    return token


@pytest.fixture
def client(gateway: Gateway, labs: Labs, key: str) -> Iterator[openai.OpenAI]:
    labs.seen.clear()
    labs.billed = {"cost": 4, "input_mp": 0, "output_mp": 0.79}
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0) as client:
        yield client


def test_a_job_is_submitted_waited_for_and_fetched(
    client: openai.OpenAI, labs: Labs, gateway: Gateway
) -> None:
    raw = client.images.with_raw_response.generate(
        model="flux-pro-1.1", prompt="a bridge", size="1024x768", output_format="jpeg", quality="high"
    )
    found = raw.parse()
    assert found.data is not None
    assert found.data[0].b64_json == base64.b64encode(PICTURE).decode()
    assert found.output_format == "jpeg"
    assert raw.headers["x-passerelle-dropped"] == "quality"
    submitted, waited, ready, fetched = labs.seen
    body = {"prompt": "a bridge", "width": 1024, "height": 768, "output_format": "jpeg"}
    assert submitted == ("POST", "/v1/flux-pro-1.1", KEY, body)
    assert waited[:3] == ready[:3] == ("GET", "/v1/get_result?id=0~a_bridge", KEY)
    assert fetched[:3] == ("GET", "/delivery/10.jpeg?sig=abc", None)
    receipt = gateway.receipt(raw.headers["x-passerelle-receipt"])["receipt"]
    assert (receipt["usage"], receipt["cost_nanos"]) == (
        {"output_images": 1, "image_pixels": 1_000_000}, 40_000_000,
    )  # fmt: skip


def test_pictures_to_start_from_go_with_the_job(client: openai.OpenAI, labs: Labs) -> None:
    client.images.edit(model="flux-kontext-pro", prompt="add a river", image=("one.jpeg", PICTURE))
    assert labs.seen[0][3] == {"prompt": "add a river", "input_image": base64.b64encode(PICTURE).decode()}


@pytest.mark.parametrize(
    ("model", "billed", "pixels", "cents"),
    [
        ("flux-2-pro", {"input_mp": 0, "output_mp": 0.26}, 1_000_000, 3),
        ("flux-2-pro", {"input_mp": 0, "output_mp": 2}, 2_000_000, 4.5),
        ("flux-2-pro", {"input_mp": 1, "output_mp": 1}, 2_000_000, 4.5),
        ("flux-2-max", {"input_mp": 0, "output_mp": 1}, 1_000_000, 7),
        ("flux-2-max", {"input_mp": 2, "output_mp": 4}, 6_000_000, 22),
        ("flux-2-flex", {"input_mp": 1, "output_mp": 1}, 2_000_000, 10),
        ("flux-2-klein-4b", {"input_mp": 1, "output_mp": 1}, 2_000_000, 1.5),
    ],
)
def test_flux_2_costs_what_its_maker_says_by_the_megapixel(
    client: openai.OpenAI,
    labs: Labs,
    gateway: Gateway,
    model: str,
    billed: dict[str, float],
    pixels: int,
    cents: float,
) -> None:
    labs.billed = billed
    raw = client.images.with_raw_response.generate(model=model, prompt="a bridge")
    receipt = gateway.receipt(raw.headers["x-passerelle-receipt"])["receipt"]
    assert receipt["usage"] == {"output_images": 1, "image_pixels": pixels}
    assert receipt["cost_nanos"] == int(cents * 10_000_000)


def test_a_job_that_says_no_megapixels_is_estimated_from_what_was_asked(
    client: openai.OpenAI, labs: Labs, gateway: Gateway
) -> None:
    labs.billed = {}
    raw = client.images.with_raw_response.generate(model="flux-2-pro", prompt="a bridge", size="2000x1500")
    receipt = gateway.receipt(raw.headers["x-passerelle-receipt"])["receipt"]
    assert receipt["usage"]["image_pixels"] == 3_000_000
    assert receipt["usage"]["source"] == "estimated"
    assert receipt["cost_nanos"] == 60_000_000


def test_a_stream_ends_with_the_picture(client: openai.OpenAI) -> None:
    events = list(client.images.generate(model="flux-2-pro", prompt="a bridge", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("a moderated bridge", openai.BadRequestError, "filter refused"),
        ("a broken bridge", openai.InternalServerError, "Error"),
        ("an endless bridge", openai.InternalServerError, "time"),
    ],
)
def test_a_job_that_comes_to_nothing_is_said_to(
    client: openai.OpenAI, prompt: str, error: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(error) as failed:
        client.images.generate(model="flux-pro-1.1", prompt=prompt)
    assert words in failed.value.message


def test_a_picture_elsewhere_is_not_fetched(client: openai.OpenAI, labs: Labs) -> None:
    with Labs() as thief:
        labs.elsewhere = f"{thief.base_url}/delivery/1.jpeg"
        with pytest.raises(openai.InternalServerError):
            client.images.generate(model="flux-pro-1.1", prompt="a stolen bridge")
        assert thief.seen == []


def test_one_picture_at_a_time_is_said_before_the_call(client: openai.OpenAI, labs: Labs) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="flux-pro-1.1", prompt="a bridge", n=2)
    assert refused.value.param == "n"
    assert labs.seen == []
