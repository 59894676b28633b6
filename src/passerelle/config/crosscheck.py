"""Mistakes that no single setting shows: references between entries, and what is unsafe together.

Works on the merged data before validation and passes over what has the wrong type, so that one mistake
hides no other. References to models are checked by `catalog`, which knows the built-in ones.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from passerelle.config.cascade import cascade_findings
from passerelle.config.findings import Finding, did_you_mean
from passerelle.config.kinds import of_its_kind, reference_findings
from passerelle.config.network import is_loopback_host, is_private_host, objections
from passerelle.config.origin import Origin, rows, table
from passerelle.config.secret import looks_like_secret
from passerelle.config.templates import templates

RESERVED = "smart"
"""A name the router answers to, with or without `/mode` after it."""

_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
"""What can stand before the port in a `Host` header."""

_WITHOUT_URL = frozenset({"local", "simulated"})


def cross_findings(origin: Origin) -> Iterator[Finding]:
    """Every such mistake in `origin.data`."""
    data = origin.data
    yield from _server(data, origin)
    yield from _allowed_hosts(table(data, "server").get("allowed_hosts"), origin)
    yield from _store(data, origin)
    yield from _telemetry(table(data, "telemetry").get("otlp_endpoint"), origin)
    providers = table(data, "providers")
    for name, entry in providers.items():
        if isinstance(entry, dict):
            yield from _provider(name, entry, origin)
    yield from _deployments(data, providers, origin)
    yield from _ids(data, "models", origin)
    yield from _reserved(data, origin)
    yield from _alias_loops(table(data, "aliases"), origin)
    yield from _twice(data, origin)
    yield from cascade_findings(data, origin)


def is_reserved(name: str) -> bool:
    """Whether a name belongs to the router."""
    return name == RESERVED or name.startswith(f"{RESERVED}/")


def _server(data: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    server = table(data, "server")
    cert, key = server.get("tls_cert"), server.get("tls_key")
    for given, other, value in (("tls_cert", "tls_key", key), ("tls_key", "tls_cert", cert)):
        if given in server and value is None:
            message = f"`{given}` is given without `{other}`"
            yield origin.finding(
                ("server", given), message, f"Give `{other}` too, or neither", code="conflict"
            )
    public = server.get("public_url")
    if isinstance(public, str) and not _ADDRESS.fullmatch(public):
        yield origin.finding(
            ("server", "public_url"),
            f"`{public}` is no address that links can begin with",
            "Write it as `https://host`, with a path if there is one, without query or credentials",
            code="invalid_value",
        )
    for name in ("tls_cert", "tls_key"):
        path = server.get(name)
        if isinstance(path, str | Path) and not Path(path).is_file():
            yield origin.finding(
                ("server", name), "there is no such file", "Create it, or correct the path", code="no_file"
            )
    host = server.get("host")
    if not isinstance(host, str) or is_loopback_host(host):
        return
    if server.get("allow_public_bind") is not True and cert is None:
        yield origin.finding(
            ("server", "host"),
            f"`{host}` can be reached from other machines, and without TLS keys would travel in clear",
            "Give `tls_cert` and `tls_key`, or set `allow_public_bind = true` when something in front "
            "of Passerelle ends TLS, or listen on `127.0.0.1`",
            code="public_bind",
        )


def _allowed_hosts(value: object, origin: Origin) -> Iterator[Finding]:
    for index, host in enumerate(value if isinstance(value, list | tuple) else ()):
        if not isinstance(host, str) or _HOST.fullmatch(host):
            continue
        after = re.sub(r"\A(?:[A-Za-z][A-Za-z0-9+.-]*:)?//", "", host)  # `urlsplit` refuses some
        name = re.sub(r":\d*\Z", "", re.split(r"[/?#]", after)[0].rpartition("@")[2])
        yield origin.finding(
            ("server", "allowed_hosts", index),
            f"`{host}` is no host that a request could name, so it would refuse them all",
            f"Write `{name}`"
            if _HOST.fullmatch(name)
            else "Write the name alone, without scheme, port, path or pattern; an IPv6 address in brackets",
            code="invalid_value",
        )


def _telemetry(endpoint: object, origin: Origin) -> Iterator[Finding]:
    if not isinstance(endpoint, str) or looks_like_secret(endpoint) is not None:
        return
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(ord(c) <= 32 for c in endpoint) or parts.query or parts.fragment:
        yield origin.finding(
            ("telemetry", "otlp_endpoint"),
            "this is no address that OTLP over HTTP can be sent to",
            "Write it as `http://host:4318`, without `/v1/traces`",
            code="invalid_value",
        )


def _store(data: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    url = table(data, "store").get("url")
    if not isinstance(url, str):
        return
    path = ("store", "url")
    if url.startswith(("env:", "file:")):
        yield from reference_findings(url, path, origin)
        return
    scheme = url.partition("://")[0]
    if "://" not in url or scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        yield origin.finding(
            path,
            "this is not the address of a database",
            "Write `sqlite:///path`, `postgresql://host/name`, or `env:NAME` where that holds one",
            code="invalid_value",
        )


def _provider(name: str, entry: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    path = ("providers", name)
    if "/" in name:
        yield origin.finding(
            path, "a provider's name may not hold `/`", "Use `-` in its place", code="invalid_value"
        )
    template = entry.get("template")
    if isinstance(template, str) and template not in templates():
        listed = "Choose one of " + ", ".join(f"`{known}`" for known in templates())
        yield origin.finding(
            (*path, "template"),
            "there is no such template",
            did_you_mean(template, templates(), listed),
            code="unknown_provider",
        )
    kind, url = entry.get("kind"), entry.get("base_url")
    if kind in _WITHOUT_URL:
        for field in ("base_url", "credential"):
            if field in entry:
                message = f"a provider of kind `{kind}` calls no one, so this has no meaning"
                yield origin.finding((*path, field), message, f"Remove `{field}`", code="conflict")
    elif kind == "azure" and url is None:
        yield origin.finding(
            path,
            "`base_url` is missing",
            "Add the endpoint of your resource, such as `https://NAME.openai.azure.com`",
            code="missing_field",
        )
    elif isinstance(kind, str) and url is None and kind not in ("bedrock", "vertex"):
        yield origin.finding(
            path,
            "`base_url` is missing",
            "Add the address its documentation gives, up to and including `/v1` where there is one",
            code="missing_field",
        )
    if entry.get("script") and kind != "simulated":
        yield origin.finding(
            (*path, "script"), "only simulated providers have a script", "Remove it", code="conflict"
        )
    if isinstance(url, str) and looks_like_secret(url) is None:
        bad = objections(url, allow_private=entry.get("allow_private_network") is True)
        for message, next_step in bad:
            yield origin.finding((*path, "base_url"), f"`{url}` {message}", next_step, code="unsafe_url")
        if (
            not bad
            and "credential" not in entry
            and "aws" not in entry
            and "entra" not in entry
            and kind != "vertex"
            and not is_private_host(urlsplit(url).hostname or "localhost")
        ):
            yield origin.finding(
                path,
                "calls to it will carry no key",
                "Add `credential`, unless the provider wants none",
                severity="warning",
                code="no_credential",
            )
    yield from of_its_kind(entry, kind, path, origin)
    credential = entry.get("credential")
    if isinstance(credential, str) and credential.startswith(("env:", "file:")):
        yield from reference_findings(credential, (*path, "credential"), origin)


def _deployments(data: Mapping[str, Any], providers: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, row in rows(data, "deployments"):
        provider = row.get("provider")
        if isinstance(provider, str) and provider not in providers:
            advice = f"Add `[providers.{provider}]`"
            if provider not in templates():
                advice += ", or name one of " + (", ".join(f"`{p}`" for p in providers) or "those you add")
            known = [p for p in providers if provider not in templates()]
            yield origin.finding(
                ("deployments", index, "provider"),
                f"there is no provider `{provider}`",
                did_you_mean(provider, known, advice),
                code="unknown_provider",
            )
        identity = deployment_id(row)
        if identity is None:
            continue
        if identity in seen:
            yield origin.finding(
                ("deployments", index),
                f"`deployments[{seen[identity]}]` already has the id `{identity}`",
                "Give one of them another `id`",
                code="duplicate",
            )
        seen.setdefault(identity, index)


def deployment_id(row: Mapping[str, Any]) -> str | None:
    """The id an entry of `[[deployments]]` has or will be given; None while it lacks what makes one."""
    said, provider = row.get("id"), row.get("provider")
    upstream = row.get("upstream_model", row.get("model"))
    if isinstance(said, str):
        return said
    return f"{provider}/{upstream}" if isinstance(provider, str) and isinstance(upstream, str) else None


def _ids(data: Mapping[str, Any], section: str, origin: Origin) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, row in rows(data, section):
        identity = row.get("id")
        if not isinstance(identity, str):
            continue
        if identity in seen:
            yield origin.finding(
                (section, index, "id"),
                f"`{section}[{seen[identity]}]` already has the id `{identity}`",
                "Join the two entries, or give one another `id`",
                code="duplicate",
            )
        seen.setdefault(identity, index)


def _reserved(data: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    named: list[tuple[tuple[str | int, ...], object]] = [
        *((("aliases", name), name) for name in table(data, "aliases")),
        *((path, path[-1]) for path in smart_aliases(data)),
        *((("models", index, "id"), row.get("id")) for index, row in rows(data, "models")),
        *((("deployments", index, "id"), row.get("id")) for index, row in rows(data, "deployments")),
    ]
    for path, name in named:
        if isinstance(name, str) and is_reserved(name):
            yield origin.finding(
                path,
                f"`{name}` is the router's own name for choosing by itself",
                "Choose another name; set `router.smart_mode` to change what `smart` does",
                code="reserved_name",
            )


def smart_aliases(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Where aliases for a choice stand: everybody's, and those of organisations."""
    router = table(data, "router")
    paths: list[tuple[str, ...]] = [("router", "aliases", name) for name in table(router, "aliases")]
    for organisation, said in table(router, "organisations").items():
        if isinstance(said, dict):
            paths += [
                ("router", "organisations", organisation, "aliases", name) for name in table(said, "aliases")
            ]
    return paths


def _twice(data: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    """Names that are an alias of models and an alias for a choice."""
    plain = {name.casefold() for name in table(data, "aliases")}
    for path in smart_aliases(data):
        if path[-1].casefold() in plain:
            yield origin.finding(
                path,
                f"`{path[-1]}` is an alias in `[aliases]` too, so that it would mean two things",
                "Remove one of them",
                code="conflict",
            )


def alias_targets(value: object) -> tuple[str, ...]:
    """An alias's targets as written: one text or a list of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()


def _alias_loops(aliases: Mapping[str, Any], origin: Origin) -> Iterator[Finding]:
    finished: set[str] = set()
    for start in aliases:
        trail: list[str] = []
        stack = [(start, 0)]
        while stack:
            name, depth = stack.pop()
            del trail[depth:]
            if name in trail:
                loop = [*trail[trail.index(name) :], name]
                yield origin.finding(
                    ("aliases", name),
                    "this alias leads back to itself: " + " → ".join(f"`{step}`" for step in loop),
                    "Let one of them name a model or a deployment",
                    code="alias_loop",
                )
                finished.update(loop)
                continue
            if name in finished or name not in aliases:
                continue
            trail.append(name)
            # An alias that names itself means the model or deployment of that name.
            stack += [(t, len(trail)) for t in alias_targets(aliases[name]) if t != name]
        finished.update(trail)
        finished.add(start)
