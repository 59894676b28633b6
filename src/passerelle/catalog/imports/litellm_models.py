"""LiteLLM's `model_list` and `credential_list` as drafted deployments, in groups of one public name."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from passerelle.catalog.builtin import Builtin
from passerelle.catalog.imports.draft import DeploymentDraft, Draft
from passerelle.catalog.imports.litellm_names import Group
from passerelle.catalog.imports.litellm_providers import (
    CREDENTIAL_FIELDS,
    Located,
    ProviderFinder,
    split_model,
)
from passerelle.catalog.imports.report import Report, table_of, text_of
from passerelle.catalog.imports.yaml_input import Path
from passerelle.config.secret import looks_like_secret
from passerelle.core.model import Model

PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_reasoning_token": "reasoning",
}
"""LiteLLM's price of one token → our price of a million."""

_READ = CREDENTIAL_FIELDS | PRICES.keys() | {
    "model", "custom_llm_provider", "litellm_credential_name", "rpm", "weight", "max_parallel_requests",
}  # fmt: skip

_ADVICE = {
    "tpm": "Limit tokens by key (`tokens_per_minute`); a deployment has no such limit here",
    "order": "List the names in the wanted order under `[aliases]`",
    "timeout": "Set `[deadlines]`, or `deadlines` on the provider",
    "stream_timeout": "Set `first_content_s` under `[deadlines]`",
    "max_retries": "Nothing: an attempt that fails goes to the next deployment by itself",
    "num_retries": "Nothing: an attempt that fails goes to the next deployment by itself",
    "drop_params": "Nothing: what a model cannot take is reported in `x-passerelle-dropped`",
    "mock_response": "Use a provider of kind `simulated`",
    "tags": "Give keys the models they may use",
    "guardrails": "See the data classes under `[policy]`",
}
_DEFAULTS = frozenset(
    {"temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "thinking",
     "presence_penalty", "frequency_penalty", "reasoning_effort", "response_format", "user",
     "metadata"}
)  # fmt: skip
_CLOUD = ("aws_", "vertex_", "azure_ad_", "azure_", "tenant_", "client_", "watsonx_", "s3_")
_ABILITIES = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
    "supports_prompt_caching": "prompt_cache",
}
_SENSES = {"supports_vision": "image", "supports_audio_input": "audio", "supports_pdf_input": "file"}
_INFO = (
    {"mode", "base_model", "max_tokens", "max_input_tokens", "max_output_tokens"}
    | PRICES.keys()
    | _ABILITIES.keys()
    | _SENSES.keys()
)


class Credentials:
    """`credential_list` by name; what cannot be told apart is not used."""

    def __init__(self, rows: object, report: Report) -> None:
        self._report = report
        self._known: dict[str, dict[str, Located]] = {}
        self._twice: set[str] = set()
        self._places: dict[str, Path] = {}
        self.used: set[str] = set()
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            self._read(table_of(row), ("credential_list", index))

    def _read(self, row: Mapping[str, Any], path: Path) -> None:
        name = text_of(row, "credential_name")
        if name is None:
            return
        if name in self._known:
            self._twice.add(name)
            self._report.say(
                (*path, "credential_name"), "needs_attention",
                "another credential has the same name, so neither is used", "Give one another name",
            )  # fmt: skip
        values = table_of(row.get("credential_values"))
        self._places[name] = path
        self._known[name] = {}
        for key in values:
            place = (*path, "credential_values", key)
            if key in CREDENTIAL_FIELDS:
                self._known[name][key] = Located(text_of(values, key), place)
            else:
                self._report.say(
                    place, "unmapped_field", "this kind of credential has no counterpart",
                    "Reach the provider with a key",
                )  # fmt: skip

    def of(self, name: str, path: Path) -> dict[str, Located]:
        """The fields of a credential; empty, with a finding, when it cannot be used."""
        if name not in self._known or name in self._twice:
            why = "is written twice" if name in self._twice else "is not in `credential_list`"
            self._report.say(
                path,
                "needs_attention",
                f"the credential named here {why}",
                "Set `credential` on the provider",
            )
            return {}
        self.used.add(name)
        return self._known[name]

    def leftovers(self) -> None:
        """Say which credentials nobody names."""
        for name, path in self._places.items():
            if name not in self.used and name not in self._twice:
                self._report.say(
                    path, "unmapped_field", "no model names this credential", "Nothing, if it is not needed"
                )


class ModelList:
    """Reads entries one by one into a draft."""

    def __init__(self, draft: Draft, report: Report, known: Builtin, credentials: Credentials) -> None:
        self._draft = draft
        self._report = report
        self._known = known
        self._credentials = credentials
        self._finder = ProviderFinder(draft, report, known)
        self._names = {name: m for m in known.models.values() for name in (*m.aliases, m.id)}
        self.groups: dict[str, Group] = {}

    def read(self, rows: object) -> None:
        """All of `model_list`."""
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                self._entry(row, ("model_list", index))

    def _entry(self, row: Mapping[str, Any], path: Path) -> None:
        params = table_of(row.get("litellm_params"))
        public, model = text_of(row, "model_name"), text_of(params, "model")
        if public is None or model is None:
            self._report.say(
                path, "needs_attention", "an entry without `model_name` or `litellm_params.model`",
                "Complete it, or leave it out",
            )  # fmt: skip
            return
        self._unmapped(row, path, {"model_name", "litellm_params", "model_info"})
        if looks_like_secret(public) or looks_like_secret(model):
            self._report.say(path, "literal_secret", "a name that looks like a secret", "Declare it by hand")
            return
        located = {
            name: Located(text_of(params, name), (*path, "litellm_params", name))
            for name in CREDENTIAL_FIELDS & params.keys()
        }
        named = text_of(params, "litellm_credential_name")
        if named is not None:
            located = (
                self._credentials.of(named, (*path, "litellm_params", "litellm_credential_name")) | located
            )
        prefix, upstream = split_model(model, params, self._known)
        where = Located(model, (*path, "litellm_params", "model"))
        if "*" in public or "*" in upstream:
            self._wildcard(public, prefix, upstream, located, where, path)
            return
        provider = self._finder.find(prefix, located, where)
        self._notes(params, (*path, "litellm_params"), prefix)
        if provider is None:
            return
        info = table_of(row.get("model_info"))
        self._unmapped(info, (*path, "model_info"), _INFO)
        deployment = DeploymentDraft(provider, upstream, self._recognised(upstream, info))
        deployment.said = _said_of(info)
        if deployment.known is None and prefix == "azure" and public in self._names:
            deployment.known = self._names[public]
            self._report.say(
                (*path, "model_name"), "approximate",
                f"the deployment is taken for `{deployment.known.id}`, as its name here says",
                "Correct `model` if it is another",
            )  # fmt: skip
        self._figures(deployment, params, info, path)
        self._draft.deployments.append(deployment)
        self.groups.setdefault(public, Group(public, path)).deployments.append(deployment)
        self._report.say(
            path, "mapped", f"`{public}` is served by `{provider.name}/{upstream}`", "Nothing to do"
        )

    def _wildcard(
        self, public: str, prefix: str | None, upstream: str, located: Mapping[str, Located],
        where: Located, path: Path,
    ) -> None:  # fmt: skip
        """A pattern: our provider serves every model the catalog knows there, by its own name."""
        same = public in ("*", upstream, f"{prefix}/{upstream}")
        if not same or upstream.count("*") != 1 or not (upstream.startswith("*") or upstream.endswith("*")):
            self._report.say(
                path, "unmapped_field",
                "a pattern that renames models, or has its star in the middle, cannot be carried over",
                "Declare each model, or an alias for each",
            )  # fmt: skip
            return
        provider = self._finder.find(prefix, located, where)
        if provider is None:
            return
        offers = self._known.offers.get(provider.template or "", ())
        if not any(fnmatchcase(label, upstream) for o in offers for label in (o.model, o.upstream)):
            self._report.say(
                path, "needs_attention",
                f"the catalog knows no model of `{provider.name}` that `{upstream}` fits",
                "Declare each model under `[[deployments]]`",
            )  # fmt: skip
            return
        if upstream == "*":
            provider.patterns = None
        elif provider.patterns is not None and upstream not in provider.patterns:
            provider.patterns.append(upstream)
        self._report.say(
            path, "approximate",
            f"`{provider.name}` serves the models the catalog knows there, and no others",
            "Declare further models under `[[deployments]]`",
        )  # fmt: skip

    def _recognised(self, upstream: str, info: Mapping[str, Any]) -> Model | None:
        """The built-in model an entry is, by its own name or by LiteLLM's `base_model`."""
        base = text_of(info, "base_model")
        for name in (base, upstream):
            if name is not None:
                found = self._names.get(name) or self._names.get(name.rpartition("/")[2])
                if found is not None:
                    return found
        return None

    def _figures(
        self, deployment: DeploymentDraft, params: Mapping[str, Any], info: Mapping[str, Any], path: Path
    ) -> None:
        place = (*path, "litellm_params")
        deployment.requests_per_minute = self._count(params, "rpm", place)
        deployment.concurrency = self._count(params, "max_parallel_requests", place)
        weight = self._number(params.get("weight"))
        if weight is not None and 0 <= weight <= 1_000_000:
            deployment.weight = float(weight)
        price: dict[str, object] = {}
        for source in (info, params):
            for theirs, ours in PRICES.items():
                each = self._number(source.get(theirs))
                if each is not None and 0 <= each * 1_000_000 <= 1_000_000:
                    price[ours] = each * 1_000_000
        deployment.price = price or None
        if text_of(info, "mode") == "responses":
            deployment.dialect = "openai_responses"

    def _count(self, params: Mapping[str, Any], name: str, path: Path) -> int | None:
        number = self._number(params.get(name))
        if number is None:
            if name in params:
                self._report.say(
                    (*path, name), "needs_attention", "this is not a number", "Set it by hand under `limits`"
                )
            return None
        return int(number) if number >= 1 else None

    @staticmethod
    def _number(value: object) -> Decimal | None:
        if value is None or isinstance(value, bool | dict | list):
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return None
        return number if number.is_finite() else None

    def _notes(self, params: Mapping[str, Any], path: Path, prefix: str | None) -> None:
        for name in params:
            if name in _READ:
                if name == "api_version" and prefix == "azure":
                    self._report.say(
                        (*path, name), "approximate", "Azure's v1 surface is used, which has no versions",
                        "Check that the resource offers it",
                    )  # fmt: skip
                continue
            if name in _DEFAULTS:
                message = "a default that LiteLLM puts into callers' requests; ours go through as written"
                self._report.say((*path, name), "unmapped_field", message, "Set it where the model is called")
            elif name.startswith(_CLOUD):
                message = "a cloud's own way to authenticate, which has no counterpart"
                self._report.say((*path, name), "unmapped_field", message, "Reach the model with a key")
            else:
                advice = _ADVICE.get(name, "Leave it out, or see docs/configuration.md for what is near it")
                self._report.say((*path, name), "unmapped_field", "this setting has no counterpart", advice)

    def _unmapped(self, table: Mapping[str, Any], path: Path, read: set[str]) -> None:
        for name in table:
            if name not in read and name != "metadata":
                self._report.say(
                    (*path, name), "unmapped_field", "this field has no counterpart",
                    "Leave it out, or declare what it means under `[[models]]`",
                )  # fmt: skip


def _said_of(info: Mapping[str, Any]) -> dict[str, object]:
    """What `model_info` says of a model nobody else knows."""
    said: dict[str, object] = {}
    if text_of(info, "mode") == "embedding":
        said |= {"output_modalities": ["embedding"], "capabilities": ["embeddings"]}
    senses = [ours for theirs, ours in _SENSES.items() if info.get(theirs) is True]
    if senses:
        said["input_modalities"] = ["text", *senses]
    abilities = [ours for theirs, ours in _ABILITIES.items() if info.get(theirs) is True]
    if abilities and "capabilities" not in said:
        said["capabilities"] = [*abilities, "streaming"]
    context, output = info.get("max_input_tokens"), info.get("max_output_tokens") or info.get("max_tokens")
    most = None
    if isinstance(context, int) and context > 0:
        said["context_tokens"] = most = context
    if isinstance(output, int) and output > 0 and (most is None or output <= most):
        said["max_output_tokens"] = output
    return said
