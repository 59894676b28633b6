"""Google Vertex AI (in 2026 "Gemini Enterprise Agent Platform"): Gemini and Claude of one project and place.

Paths, all below `/{version}/projects/{project}/locations/{location}`:

    Gemini      `/publishers/google/models/{model}:generateContent`, `:streamGenerateContent?alt=sse`,
                `:countTokens`; embeddings by `:predict`, or `:embedContent` and `:batchEmbedContents` for
                models that have them. Version `v1beta1`, as in Google's own SDK: in Google's clients of
                `v1` a function call has no id, so parallel calls could not be told apart
    Claude      `/publishers/anthropic/models/{model}:rawPredict`, `:streamRawPredict`; counting by
                `/publishers/anthropic/models/count-tokens:rawPredict`; version `v1`
    open ones   `/endpoints/openapi/chat/completions`, OpenAI's dialect; `model` is `{publisher}/{model}`;
                version `v1`

    rankings    `/rankingConfigs/default_ranking_config:rank`, version `v1`, at a service and a host of its
                own: `discoveryengine.googleapis.com`, `eu-` and `us-` before it for these two, and no region

With an API key (express mode) there is no project: `/v1beta1/publishers/google/models/…`, Google's models
only. A base URL that ends in a version keeps it for all.

Hosts: `aiplatform.googleapis.com` for `global`, `aiplatform.{eu,us}.rep.googleapis.com` for these two,
`{location}-aiplatform.googleapis.com` for a region.

Sources, read 2026-11-22: google-genai 3.4.0 (`_api_client.py` for hosts, key and versions, `models.py` for
methods and which models embed how), docs.cloud.google.com/generative-ai-app-builder "Improve search and RAG
quality with ranking API" and "Locations", anthropic SDK 2.12.0 (`lib/vertex/_client.py`),
docs.cloud.google.com "Express mode", "OpenAI compatibility", "Use Claude models" and the references of
`V1.FunctionCall` (PHP 1.60.0) and `V1Beta1.FunctionCall`.
"""

import re
from re import Pattern
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from passerelle.codecs.anthropic.clouds import CLOUDS
from passerelle.codecs.gemini.embed import is_single
from passerelle.codecs.gemini.vertex import embeds_content
from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.auth.google import GoogleFile, read_file
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.claude import with_known_betas
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.remote import Headers, HttpSender, RemoteProvider

if TYPE_CHECKING:
    from passerelle.providers.auth.token import TokenHeader

FORWARD: Final = frozenset({"anthropic-beta", "traceparent"})

GLOBAL: Final = "global"
_MULTI_REGIONS: Final = frozenset({"eu", "us"})
_LOCATION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_VERSION: Final = re.compile(r"/v1(?:beta1)?\Z")
_CLOUD: Final = CLOUDS["on_vertex"]
_ROUTES: Final[dict[tuple[Dialect, Operation], str]] = {
    ("gemini", "chat"): "",
    ("gemini", "count_tokens"): "",
    ("gemini", "embed"): "",
    ("gemini", "generate_image"): "",
    ("gemini", "edit_image"): "",
    ("gemini", "speak"): "",
    ("gemini", "rerank"): "",
    ("anthropic", "chat"): "",
    ("anthropic", "count_tokens"): "",
    ("openai_chat", "chat"): "",
}


def vertex_url(location: str | None) -> str:
    """Where a location is reached. Raises `ValueError` for what cannot be one."""
    place = location or GLOBAL
    if place == GLOBAL:
        return "https://aiplatform.googleapis.com"
    if place in _MULTI_REGIONS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    if not _LOCATION.match(place):
        raise ValueError(
            f"`{place}` is no location of Vertex AI; write `global`, `eu`, `us` or a region such as "
            "`europe-west4`"
        )
    return f"https://{place}-aiplatform.googleapis.com"


def ranking_url(location: str | None) -> str | None:
    """Where a location's rankings are; None for a region, which has none, and is not left for another."""
    place = location or GLOBAL
    if place == GLOBAL:
        return "https://discoveryengine.googleapis.com"
    return f"https://{place}-discoveryengine.googleapis.com" if place in _MULTI_REGIONS else None


class VertexProvider(RemoteProvider):
    """Models of one project at one location."""

    def __init__(
        self,
        entry: ProviderEntry,
        client: HttpSender,
        auth: "AuthHeader | TokenHeader",
        ranking: HttpSender | None = None,
    ) -> None:
        super().__init__(entry.name, client, auth, routes=_ROUTES, forward=FORWARD)
        _, base_path = parse_origin(entry.base_url or vertex_url(entry.region))
        version = _VERSION.search(base_path)
        self._prefix = base_path[: version.start()] if version else base_path
        self._version = version.group() if version else "/v1"
        self._googles = version.group() if version else "/v1beta1"
        self._entry = entry
        self._ranking = ranking or client
        self._key = AuthHeader(entry.name, entry.credential, "x-goog-api-key")
        self._below: str | None = None
        """`/projects/…/locations/…`, or nothing in express mode; known once the credential was read."""

    @property
    def hidden(self) -> Pattern[str] | None:
        """See `Provider.hidden`."""
        return super().hidden if self._below else self._key.hidden

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """See `Provider.supports`; rankings are at some locations only."""
        known = super().supports(operation, deployment)
        return known and (operation != "rerank" or ranking_url(self._entry.region) is not None)

    async def aclose(self) -> None:
        """Close the connections."""
        await super().aclose()
        if self._ranking is not self._client:
            await self._ranking.aclose()

    async def send(self, call: Call) -> Reply:
        """See `Provider.send`."""
        if self._below is None:
            self._settle()
        return await super().send(call)

    async def _send(self, call: Call) -> Reply:
        if call.operation != "rerank":
            return await super()._send(call)
        return await self._ranking.request(
            "POST",
            self._path(call),
            self._headers(call),
            call.body,
            deadlines=call.deadlines,
            remaining_s=call.remaining_s,
        )

    def _settle(self) -> None:
        """Learn from the credential whose project it is, and whether it is a key. Raises `SendError`."""
        entry = self._entry
        held = read_file(entry.name, entry.credential)
        project = entry.project or (_own_project(held) if isinstance(held, GoogleFile) else None)
        if isinstance(held, str):
            self._below = ""
            return
        if not project:
            raise SendError(
                "auth",
                f"no project is known for provider `{entry.name}`; set `project` to the id of yours",
                sent=False,
            )
        place = quote(entry.region or GLOBAL, safe="")
        self._below = f"/projects/{quote(project, safe=':')}/locations/{place}"

    def _path(self, call: Call) -> str:
        if (call.dialect, call.operation) not in self._routes:
            raise self._unknown(call)
        below, model = self._below or "", quote(call.deployment.upstream_model, safe="@.-_")
        if call.dialect == "gemini" and call.operation != "rerank":
            root = f"{self._prefix}{self._googles}{below}"
            return f"{root}/publishers/google/models/{model}:{_gemini_method(call)}"
        if not below:
            raise SendError(
                "not_found",
                f"provider `{self.name}` has an API key, which reaches Google's Gemini models only; name a "
                "service account's JSON file with `credential` for the others",
                sent=False,
            )
        root = f"{self._prefix}{self._version}{below}"
        if call.operation == "rerank":
            return f"{root}/rankingConfigs/default_ranking_config:rank"
        if call.dialect == "openai_chat":
            return f"{root}/endpoints/openapi/chat/completions"
        if call.operation == "count_tokens":
            return f"{root}/publishers/anthropic/models/count-tokens:rawPredict"
        method = "streamRawPredict" if call.stream else "rawPredict"
        return f"{root}/publishers/anthropic/models/{model}:{method}"

    def _headers(self, call: Call) -> Headers:
        return super()._headers(with_known_betas(call, _CLOUD) if call.dialect == "anthropic" else call)

    def _token_of(self, call: Call) -> "TokenHeader | None":
        return super()._token_of(call) if self._below else None

    def _shown(self, call: Call) -> tuple[bytes, bytes] | None:
        return super()._shown(call) if self._below else self._key.header()


def _gemini_method(call: Call) -> str:
    if call.operation == "chat":
        return "streamGenerateContent?alt=sse" if call.stream else "generateContent"
    if call.operation == "count_tokens":
        return "countTokens"
    if call.operation != "embed":
        return "generateContent"
    if not embeds_content(call.deployment.upstream_model):
        return "predict"
    return "embedContent" if is_single(call.body) else "batchEmbedContents"


def _own_project(held: GoogleFile) -> str:
    return held.project_id or held.quota_project_id


def vertex(
    entry: ProviderEntry, client: HttpSender, token: "TokenHeader", ranking: HttpSender | None = None
) -> VertexProvider:
    """Vertex AI. `client` is bound to the origin of `entry.base_url`, or to its location's; `ranking` to that
    of its rankings, when it is another; `token` is Google's, for a credential that is a file.
    """
    return VertexProvider(entry, client, token, ranking)
