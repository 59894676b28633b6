"""Google's Gemini API, where the model and the method stand in the path.

From ai.google.dev/api/generate-content and /api/embeddings (read 2026-11-22):
`/v1beta/models/{model}:generateContent`, `:streamGenerateContent?alt=sse`, `:countTokens`, `:embedContent`,
`:batchEmbedContents`; the key goes in `x-goog-api-key`. A base URL that ends in a version keeps it.
"""

from urllib.parse import quote

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Call
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.remote import HttpSender, RemoteProvider

FORWARD = frozenset({"traceparent"})

_VERSIONS = ("/v1", "/v1beta", "/v1alpha")
_OPERATIONS: frozenset[Operation] = frozenset(
    {"chat", "count_tokens", "embed", "generate_image", "edit_image", "speak"}
)


_ABSENT = msgspec.Raw(b"")


class _Batch(msgspec.Struct):
    """What tells `batchEmbedContents` from `embedContent`: a field of the body."""

    requests: msgspec.Raw = _ABSENT


_batch_decoder = msgspec.json.Decoder(_Batch)


class GeminiProvider(RemoteProvider):
    """Gemini's API, its paths made once per model."""

    def __init__(self, name: str, client: HttpSender, auth: AuthHeader, *, base_path: str) -> None:
        routes: dict[tuple[Dialect, Operation], str] = {("gemini", op): "" for op in _OPERATIONS}
        super().__init__(name, client, auth, routes=routes, forward=FORWARD)
        self._root = base_path if base_path.endswith(_VERSIONS) else f"{base_path}/v1beta"
        base, slash, version = self._root.rpartition("/")
        self._files = {kind: f"{base}{kind}{slash}{version}" for kind in ("/upload", "/download")}
        """Contents of files are sent and taken beside the rest (ai.google.dev/api/files, read 2026-11-22)."""
        # Grows with the deployments of the catalog, never with what callers send.
        self._models: dict[str, str] = {}

    def _path(self, call: Call) -> str:
        if call.dialect != "gemini":
            raise self._unknown(call)
        return self._model_path(call.deployment) + _method(call)

    def _errand_path(self, path: str) -> str:
        for kind, root in self._files.items():
            if path.startswith(f"{kind}/"):
                return root + path.removeprefix(kind)
        return super()._errand_path(path)

    def _model_path(self, deployment: Deployment) -> str:
        model = deployment.upstream_model
        path = self._models.get(model)
        if path is None:
            resource = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
            path = self._models[model] = f"{self._root}/{quote(resource, safe='/')}"
        return path


def _method(call: Call) -> str:
    if call.operation == "chat":
        return ":streamGenerateContent?alt=sse" if call.stream else ":generateContent"
    if call.operation == "count_tokens":
        return ":countTokens"
    if call.operation in ("generate_image", "edit_image", "speak"):
        return ":generateContent"
    batch = _batch_decoder.decode(call.body).requests is not _ABSENT
    return ":batchEmbedContents" if batch else ":embedContent"


def gemini(entry: ProviderEntry, client: HttpSender) -> GeminiProvider:
    """The Gemini API. `client` is bound to the origin of `entry.base_url`."""
    _, base_path = parse_origin(entry.base_url or "https://generativelanguage.googleapis.com")
    auth = AuthHeader(entry.name, entry.credential, "x-goog-api-key")
    return GeminiProvider(entry.name, client, auth, base_path=base_path)
