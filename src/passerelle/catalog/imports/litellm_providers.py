"""Which provider of ours a LiteLLM entry means: from `litellm_params` to a `ProviderDraft`.

LiteLLM names a provider in front of the model (`azure/my-deployment`), guesses it from the model's name when
there is none, and takes `api_base`, `api_key` and the rest beside it (docs.litellm.ai/docs/providers,
read 2026-11-22).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from passerelle.catalog.builtin import Builtin
from passerelle.catalog.imports.draft import Draft, ProviderDraft, safe_name
from passerelle.catalog.imports.report import Report, text_of
from passerelle.catalog.imports.yaml_input import Path
from passerelle.config.network import objections
from passerelle.config.secret import SecretRef, looks_like_secret
from passerelle.config.templates import templates

TEMPLATES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "mistral": "mistral",
    "xai": "xai",
    "meta": "meta",
    "deepseek": "deepseek",
    "groq": "groq",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "cohere": "cohere",
    "cohere_chat": "cohere",
}
"""LiteLLM's provider → our template."""

COMPATIBLE = frozenset(
    {"custom_openai", "hosted_vllm", "vllm", "lm_studio", "llamafile", "openai_like", "litellm_proxy",
     "nvidia_nim", "cerebras", "deepinfra", "sambanova", "xinference", "text-completion-openai", "infinity"}
)  # fmt: skip
"""Providers that speak OpenAI's dialect at whatever `api_base` says."""

OLLAMA = frozenset({"ollama", "ollama_chat"})
OLLAMA_URL = "http://localhost:11434/v1"
"""Where Ollama answers OpenAI's dialect unless told otherwise (docs.ollama.com, "OpenAI compatibility")."""

ELSEWHERE = {
    "bedrock": "Bedrock's region and keys are not taken over: declare `[providers.bedrock]`",
    "bedrock_converse": "Bedrock's region and keys are not taken over: declare `[providers.bedrock]`",
    "sagemaker": "SageMaker is not reached directly",
    "vertex_ai": "credential files are not copied; declare `[providers.vertex]` by hand",
    "vertex_ai_beta": "credential files are not copied; declare `[providers.vertex]` by hand",
    "meta_llama": "Meta's Llama API ended on 2026-07-06; its successor is the provider `meta`",
    "azure_ai": "Foundry endpoints differ by model family; declare `[providers.azure]` by hand",
}
"""Known providers without a kind of ours, and why."""

CREDENTIAL_FIELDS = frozenset(
    {"api_key", "api_base", "base_url", "api_version", "organization", "region_name"}
)

_ENV = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)\Z")
_PLACEHOLDER_KEYS = frozenset(
    {"", "none", "null", "dummy", "empty", "fake", "fake-key", "anything", "sk-1234", "na", "x"}
)
"""What people write where a server of their own wants no key."""


class Located(NamedTuple):
    """A field of an entry and where it stands."""

    value: str | None
    path: Path


def environment_name(text: str | None) -> str | None:
    """`X` of `os.environ/X`, or None."""
    found = _ENV.match(text or "")
    return found.group(1) if found else None


def split_model(model: str, params: Mapping[str, Any], known: Builtin) -> tuple[str | None, str]:
    """LiteLLM's provider and the provider's own name for the model; None when nothing tells."""
    said = text_of(params, "custom_llm_provider")
    head, slash, rest = model.partition("/")
    if said is not None:
        return said, rest if slash and head == said else model
    everybody = TEMPLATES.keys() | COMPATIBLE | OLLAMA | ELSEWHERE.keys() | {"azure"}
    if slash and head in everybody:
        return head, rest
    names = {name: m for m in known.models.values() for name in (*m.aliases, m.id)}
    if model in names:
        maker = names[model].maker
        return {"google": "gemini"}.get(maker, maker), model
    if slash:
        return head, rest
    return ("openai" if text_of(params, "api_base") else None), model


class ProviderFinder:
    """Finds or drafts the provider of each entry; entries that call the same place share one."""

    def __init__(self, draft: Draft, report: Report, known: Builtin) -> None:
        self._draft = draft
        self._report = report
        self._known = known
        self._made: dict[tuple[object, ...], ProviderDraft] = {}

    def find(self, prefix: str | None, params: Mapping[str, Located], model: Located) -> ProviderDraft | None:
        """The provider of an entry, or None, with a finding, when none of ours fits."""
        if prefix in ELSEWHERE:
            self._report.say(
                model.path,
                "unsupported_provider",
                f"LiteLLM's provider `{prefix}` has no counterpart: {ELSEWHERE[prefix]}",
                "Reach the model through its maker, or through an OpenAI-compatible address declared by hand",
            )
            return None
        kind, template, base_url = self._place(prefix, params, model)
        if kind is None and template is None:
            return None
        if base_url is not None and not self._usable(base_url, params):
            return None
        host = urlsplit(base_url).hostname if base_url else None
        private = base_url is not None and bool(objections(base_url, allow_private=False))
        credential = self._credential(params, template, str(prefix), private=private)
        region = params["region_name"].value if "region_name" in params else None
        key = (template, kind, base_url, credential, region)
        found = self._made.get(key)
        if found is None:
            found = ProviderDraft(
                self._fresh(template or str(prefix), host, first=base_url is None),
                template,
                kind,
                base_url,
                credential,
                region if region is None or looks_like_secret(region) is None else None,
                private,
            )
            self._made[key] = found
            self._draft.providers.append(found)
        return found

    def _place(
        self, prefix: str | None, params: Mapping[str, Located], model: Located
    ) -> tuple[str | None, str | None, str | None]:
        """Kind, template and base URL. Both of the first None: unsupported, and said."""
        base = self._base_url(params)
        if prefix == "azure":
            if base is None:
                self._report.say(
                    model.path,
                    "needs_attention",
                    "an Azure deployment without `api_base`",
                    "Write the resource's address into `base_url`",
                )
                base = "https://set-azure-api-base.invalid"
            return "azure", None, _azure_v1(base)
        if prefix in TEMPLATES:
            template = TEMPLATES[prefix]
            usual = templates()[template].entry.get("base_url")
            if base is None or base.rstrip("/") in (usual, str(usual).removesuffix("/v1")):
                return None, template, None
            if template == "openai":  # somebody else's server: none of OpenAI's terms hold there
                return "openai_like", None, base
            return None, template, base
        if prefix in OLLAMA:
            root = (base or OLLAMA_URL).rstrip("/")
            return "openai_like", None, root if root.endswith("/v1") else f"{root}/v1"
        if prefix in COMPATIBLE and base is not None:
            return "openai_like", None, base
        reason = f"LiteLLM's provider `{prefix}` is not one this importer knows"
        if prefix is None:
            reason = "the entry does not say its provider, and its model's name does not tell"
        elif prefix in COMPATIBLE:
            reason = f"LiteLLM's provider `{prefix}` needs an `api_base` here"
        self._report.say(
            model.path,
            "unsupported_provider",
            reason,
            'If it speaks OpenAI\'s dialect, declare it by hand: `kind = "openai_like"` and its `base_url`',
        )
        return None, None, None

    def _base_url(self, params: Mapping[str, Located]) -> str | None:
        found = params.get("api_base") or params.get("base_url")
        if found is None or found.value is None:
            return None
        variable = environment_name(found.value)
        if variable is None:
            return found.value
        self._report.say(
            found.path,
            "needs_attention",
            f"the address is in the environment variable `{variable}`, and `base_url` is written out here",
            f"Replace the `.invalid` address by what `{variable}` holds",
        )
        return f"https://set-{variable.lower().replace('_', '-')}.invalid/v1"

    def _usable(self, base_url: str, params: Mapping[str, Located]) -> bool:
        """Whether an address may stand in our file; a private one may, and is said."""
        path = (params.get("api_base") or params.get("base_url") or Located(None, ())).path
        if looks_like_secret(base_url) is not None:
            self._report.say(
                path, "literal_secret", "the address holds a secret and was not copied", "Declare it by hand"
            )
            return False
        bad = objections(base_url, allow_private=True)
        if bad:
            self._report.say(path, "needs_attention", f"the address {bad[0].message}", bad[0].next_step)
            return False
        if objections(base_url, allow_private=False):
            self._report.say(
                path,
                "approximate",
                "the address is in a private network, so `allow_private_network = true` was set",
                "Remove it if that is not meant",
            )
        return True

    def _credential(
        self, params: Mapping[str, Located], template: str | None, prefix: str, *, private: bool
    ) -> str | None:
        """A reference, never a key: what LiteLLM's file holds in clear is not copied."""
        usual = templates()[template].env if template is not None else ()
        found = params.get("api_key")
        if found is None or found.value is None:
            return None if template is not None or private else self._invented(prefix)
        variable = environment_name(found.value)
        if variable is not None:
            return None if (variable,) == usual[:1] else f"env:{variable}"
        if found.value.casefold() in _PLACEHOLDER_KEYS and private:
            return None
        reference = f"env:{usual[0]}" if usual else self._invented(prefix)
        self._report.say(
            found.path,
            "literal_secret",
            "a key stands in the file in clear; it was not copied",
            f"Put it into the environment variable `{reference.removeprefix('env:')}`, and replace the key "
            "if others could read the file",
        )
        return None if usual else reference

    def _invented(self, prefix: str) -> str:
        name = re.sub(r"[^A-Z0-9]+", "_", prefix.upper()).strip("_") or "PROVIDER"
        return str(SecretRef("env", f"{name}_API_KEY"))

    def _fresh(self, stem: str, host: str | None, *, first: bool) -> str:
        taken = {provider.name for provider in self._draft.providers}
        stem = safe_name(stem).replace("/", "-")
        wanted = [stem]
        if host is not None and not first and not host.endswith(".invalid"):
            wanted = [f"{stem}-{host.split('.')[0]}", f"{stem}-{host.replace('.', '-').replace(':', '-')}"]
        for name in wanted:
            if name not in taken and (name == stem or name not in templates()):
                return name
        return next(name for n in range(2, 10_000) if (name := f"{wanted[0]}-{n}") not in taken)


def _azure_v1(base: str) -> str:
    """Azure's v1 surface: OpenAI's dialect below `/openai/v1`, deployments named as models, no `api-version`
    (learn.microsoft.com "Azure OpenAI in Microsoft Foundry Models v1 API", read 2026-11-22).
    """
    root = base.split("/openai")[0].rstrip("/").removesuffix("/v1")
    return f"{root}/openai/v1"
