"""Settings that only some kinds of providers have: a cloud's project, version and application.

As `crosscheck`: on the merged data, passing over what has the wrong type.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from passerelle.config.findings import Finding
from passerelle.config.network import objections
from passerelle.config.origin import Origin
from passerelle.config.secret import SecretError, SecretRef

_AWS_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{0,62}")


def reference_findings(text: str, path: tuple[str | int, ...], origin: Origin) -> Iterator[Finding]:
    """Whether a reference to a secret is well formed and leads to one now."""
    try:
        SecretRef.parse(text).resolve(origin.env)
    except SecretError as error:
        yield origin.finding(path, error.message, error.next_step, code="unresolved_secret")
    except ValueError as error:
        yield origin.finding(path, str(error), "Write `env:NAME` or `file:/path`", code="invalid_value")


_ONLY_OF = {
    "api_version": ("azure",),
    "aws": ("bedrock",),
    "batches": ("openai_like", "anthropic", "azure", "gemini"),
    "entra": ("azure",),
    "project": ("vertex",),
    "token_url": ("azure", "vertex"),
}
"""Settings that mean something to these kinds of providers only."""


_BATCHES = {
    "openai_like": ("openai", "groq", "mistral"),
    "anthropic": ("anthropic",),
    "azure": ("azure",),
    "gemini": ("gemini",),
}
"""The batch services that a provider of each kind may have."""


def of_its_kind(
    entry: Mapping[str, Any], kind: object, path: tuple[str | int, ...], origin: Origin
) -> Iterator[Finding]:
    """Mistakes in what only some kinds of providers are told."""
    for field, kinds in _ONLY_OF.items():
        if entry.get(field) is not None and isinstance(kind, str) and kind not in kinds:
            listed = " or ".join(f"`{name}`" for name in kinds)
            yield origin.finding(
                (*path, field),
                f"a provider of kind `{kind}` has no `{field}`",
                f"Remove it, or set `kind` to {listed}",
                code="conflict",
            )
    yield from _batches(entry.get("batches"), kind, path, origin)
    if kind == "bedrock":
        yield from _bedrock(entry, path, origin)
    token_url = entry.get("token_url")
    if isinstance(token_url, str) and kind in _ONLY_OF["token_url"]:
        private = entry.get("allow_private_network") is True
        for message, next_step in objections(token_url, allow_private=private):
            yield origin.finding(
                (*path, "token_url"), f"`{token_url}` {message}", next_step, code="unsafe_url"
            )
    entra = entry.get("entra")
    if isinstance(entra, dict) and kind == "azure":
        if "credential" in entry:
            yield origin.finding(
                (*path, "credential"),
                "both a key and an Entra application are given, and only one can be shown",
                "Remove `credential`, or the table `entra`",
                code="conflict",
            )
        secret = entra.get("client_secret")
        if isinstance(secret, str) and secret.startswith(("env:", "file:")):
            yield from reference_findings(secret, (*path, "entra", "client_secret"), origin)
    if kind == "vertex" and "credential" not in entry:
        yield origin.finding(
            path,
            "`credential` is missing, and Vertex AI answers no one without it",
            'Name a service account\'s JSON file: `credential = "file:/path/to/key.json"`',
            code="missing_field",
        )
    region = entry.get("region")
    if kind == "vertex" and isinstance(region, str) and not _LOCATION.fullmatch(region.lower()):
        yield origin.finding(
            (*path, "region"),
            f"`{region}` is no location of Vertex AI",
            "Write `global`, `eu`, `us`, or a region such as `europe-west4`",
            code="invalid_value",
        )


def _bedrock(entry: Mapping[str, Any], path: tuple[str | int, ...], origin: Origin) -> Iterator[Finding]:
    """What a Bedrock entry needs that no other does: a region, and one way of saying who asks."""
    region, aws = entry.get("region"), entry.get("aws")
    if region is None:
        yield origin.finding(
            path,
            "`region` is missing: it decides which address is called and what is signed",
            'Add the region your models are in, such as `region = "eu-central-1"`, or set AWS_REGION',
            code="missing_field",
        )
    elif isinstance(region, str) and not _AWS_REGION.fullmatch(region):
        yield origin.finding(
            (*path, "region"),
            f"`{region}` is no region of AWS",
            "Write one such as `eu-central-1` or `us-east-1`",
            code="invalid_value",
        )
    if isinstance(aws, dict):
        if "credential" in entry:
            yield origin.finding(
                (*path, "credential"),
                "both a Bedrock API key and access keys are given, and only one can be shown",
                "Remove `credential`, or the table `aws`",
                code="conflict",
            )
        for field in ("access_key_id", "secret_access_key", "session_token"):
            text = aws.get(field)
            if isinstance(text, str) and text.startswith(("env:", "file:")):
                yield from reference_findings(text, (*path, "aws", field), origin)


def _batches(said: object, kind: object, path: tuple[str | int, ...], origin: Origin) -> Iterator[Finding]:
    spoken = _BATCHES.get(kind) if isinstance(kind, str) else None
    dialect = said.get("dialect") if isinstance(said, dict) else None
    if spoken is not None and isinstance(dialect, str) and dialect not in spoken:
        listed = " or ".join(f"`{name}`" for name in spoken)
        yield origin.finding(
            (*path, "batches", "dialect"),
            f"a provider of kind `{kind}` has no batch service `{dialect}`",
            f"Write {listed}, or remove `batches`",
            code="conflict",
        )
