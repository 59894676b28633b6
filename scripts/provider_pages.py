"""Write docs/providers/: a page for each well-known provider, from its template and the catalog.

Nothing is said here that is not in `config/data/providers.toml` or `catalog/data/`: correct it there, then
run `make docs`. Prices are those in force on the day the price list was read.
"""

import re
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from passerelle.catalog import Catalog, load_catalog
from passerelle.catalog.builtin import builtin
from passerelle.catalog.capabilities import in_words
from passerelle.catalog.merge import follows_maker
from passerelle.catalog.parameters import accepts_of
from passerelle.catalog.parameters import in_words as in_words_of
from passerelle.catalog.prices import units_in_words
from passerelle.codecs.base import QUIRKS
from passerelle.config import Template, load_settings, templates
from passerelle.core.model import OPERATION_GIVES, Deployment, Price
from passerelle.core.money import NANOS
from passerelle.core.request import Operation

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "providers"
_ANY_KEY = "PROVIDER_PAGES_KEY"
MARK = "<!-- Written by scripts/provider_pages.py; do not edit. -->\n"
REGION = "us-west-2"
"""Where the pages of providers with regions stand: it has the most models."""
TASKS: tuple[Operation, ...] = (
    "embed", "rerank", "moderate", "generate_image", "edit_image", "speak", "transcribe", "translate",
)  # fmt: skip
DIALECTS = {
    "bedrock": "Bedrock Converse",
    "openai_chat": "OpenAI Chat Completions",
    "openai_responses": "OpenAI Responses",
    "anthropic": "Anthropic Messages",
    "gemini": "Gemini",
}
TERMS = {
    "regions": "where inference may run",
    "storage_regions": "where prompts or answers may be kept",
    "jurisdictions": "laws its operator answers to",
    "hosting": "who runs it",
    "retention_days": "longest time prompts or answers are ordinarily kept, in days",
    "keeps": "what is kept longer because a request asks for it, in days",
    "training_use": "training on what it is sent",
    "certifications": "certificates",
}


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    read_on = date.fromisoformat(re.findall(r"\d{4}-\d\d-\d\d", builtin().price_source)[-1])
    catalog = _whole_catalog(read_on)
    made = {f"{name}.md": _page(name, template, catalog) for name, template in templates().items()}
    return {"README.md": _index(catalog, read_on), **made}


def _whole_catalog(on: date) -> Catalog:
    """The catalog of an installation that has every provider."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "passerelle.toml"
        file.write_text("".join(_whole_entry(name, template) for name, template in templates().items()))
        keys = {variable: "unused" for template in templates().values() for variable in template.env}
        keys[_ANY_KEY] = "unused"
        return load_catalog(load_settings(file, {**keys, "PASSERELLE_DATA_DIR": folder}), on=on)


def _whole_entry(name: str, template: Template) -> str:
    """An entry that serves everything, at places that need not be there."""
    said = tomllib.loads(template.example)
    lines = [f"[providers.{name}]"]
    if template.region_env:
        lines.append(f'region = "{REGION}"')
    if "base_url" in said:
        lines.append(f'base_url = "{said["base_url"]}"')
    if "models" in said:
        lines.append('models = ["*"]')
    if "credential" in said:
        lines.append(f'credential = "env:{_ANY_KEY}"')
    return "\n".join(lines) + "\n"


def _index(catalog: Catalog, read_on: date) -> str:
    lines = [
        f"{MARK}\n# Providers\n",
        _folded(
            "These are known by name: with the variable set they are there, without a configuration file. "
            "What each page says of a provider's terms is what the provider's own documents say, with the "
            "document and the day it was read. What they do not say is unknown, and [a rule that asks for "
            "it](../compliance.md) excludes the provider until you state it from your contract. Any other "
            "OpenAI-compatible server takes [a few lines of configuration](../configuration.md#providers)."
        ),
        "| provider | entry | key | models | spoken to in |",
        "|---|---|---|---|---|",
    ]
    for name, template in templates().items():
        served = [d for d in catalog.deployments if d.provider == name]
        keys = ", ".join(f"`{variable}`" for variable in template.env)
        keys = keys or ("see its page" if template.example else "none")
        spoken = ", ".join(_dialects(template))
        lines.append(f"| [{template.label}]({name}.md) | `{name}` | {keys} | {len(served)} | {spoken} |")
    lines += [
        "",
        f"Prices and models as of {read_on}. `passerelle models --all` lists what this version knows.\n",
        *_beside_chat(catalog),
    ]
    return "\n".join(lines)


def _beside_chat(catalog: Catalog) -> Iterator[str]:
    """Who does which task, and of how many built-in models."""
    yield "## Beside chat\n"
    yield _folded(
        "A number: so many models are built in. `yours`: the provider does it, and you name the model "
        "under `[[deployments]]`, with its `output_modalities`. `some`: the catalog does not say which of "
        "those that hear also translate. Empty: it does not, or nobody looked. Every one is asked in "
        "OpenAI's form (rankings in Cohere's), whatever the provider's own is; see "
        "[dialects](../dialects.md#rankings-and-moderation)."
    )
    yield f"| provider | {' | '.join(f'`{task}`' for task in TASKS)} |"
    yield f"|---|{'---:|' * len(TASKS)}"
    for name, template in templates().items():
        if template.tasks:
            cells = [_does(name, template, task, catalog) for task in TASKS]
            yield f"| [{template.label}]({name}.md) | {' | '.join(cells)} |"
    yield "\nNot reached:\n"
    for template in templates().values():
        if template.not_reached:
            yield _folded(f"- {template.label}: {template.not_reached}", indent="  ").rstrip()
    yield ""


def _does(name: str, template: Template, task: Operation, catalog: Catalog) -> str:
    if task not in template.tasks:
        return ""
    able = {d.model.id for d in catalog.deployments if d.provider == name and serves(d, task)}
    if not able:
        return "yours"
    return "some" if task == "translate" else str(len(able))


def serves(deployment: Deployment, task: Operation) -> bool:
    """Whether a built-in model does a task, as far as the catalog says: what it gives, and that it takes
    pictures to edit one."""
    model = deployment.model
    takes = task != "edit_image" or "image" in model.input_modalities
    return takes and OPERATION_GIVES[task] in model.output_modalities


def _page(name: str, template: Template, catalog: Catalog) -> str:
    entry = template.entry
    facts = [
        ("entry", f"`[providers.{name}]`"),
        ("key", _key(template)),
        ("address", _address(template)),
        ("spoken to in", ", ".join(_dialects(template))),
        ("its documentation", template.docs_url or ""),
    ]
    parts = [
        f"{MARK}\n# {template.label}\n",
        "\n".join(["| | |", "|---|---|", *(f"| {what} | {said} |" for what, said in facts if said)]) + "\n",
        *([_folded(template.note)] if template.note else []),
        *_use(name, template),
        *_limits(template),
        *_tasks(template),
        *([template.more.strip("\n") + "\n"] if template.more else []),
        *_terms(name, template),
        *_quirks(entry.get("quirks", []), template.sources),
        *_settings(name, catalog),
        *_models(name, catalog),
    ]
    return "\n".join(parts)


def _address(template: Template) -> str:
    if template.entry["kind"] == "bedrock":
        return "`https://bedrock-runtime.{region}.amazonaws.com`"
    if "base_url" in template.entry:
        return f"`{template.entry['base_url']}`"
    if template.hosts:
        return "yours, at " + " or ".join(f"`{host.lstrip('.')}`" for host in template.hosts)
    return "none: nothing leaves the machine"


def _key(template: Template) -> str:
    if template.example:
        return f"see below, from {template.key_url}"
    if not template.env:
        return "none"
    variables = ", else ".join(f"`{variable}`" for variable in template.env)
    return variables + (f", from {template.key_url}" if template.key_url else "")


def _dialects(template: Template) -> list[str]:
    first = template.entry.get("dialect", "openai_chat")
    return [DIALECTS[first], *(DIALECTS[name] for name in sorted(template.entry.get("also", [])))]


def _use(name: str, template: Template) -> Iterator[str]:
    yield "## Use\n"
    if template.start:
        yield f"```console\n$ {template.start}\n```\n"
        yield (
            f'```toml\n[providers.{name}]\n\n[[models]]\nid = "my-model"\n'
            f'price = {{ input = 0, output = 0 }}\n\n[[deployments]]\nprovider = "{name}"\n'
            'model = "my-model"\nupstream_model = "its name there"\n```\n'
        )
        yield _folded(
            "Loopback is allowed for this address alone. At another, say `base_url`, `attributes`, and "
            "`allow_private_network = true` when it is a private one."
        )
        return
    if not template.env:
        yield f"```toml\n[providers.{name}]\n{template.example.lstrip()}```\n"
        return
    region = f"$ export {template.region_env[0]}={REGION}\n" if template.region_env else ""
    yield f"```console\n$ export {template.env[0]}=…\n{region}$ passerelle serve\n```\n"
    yield "With a configuration file, say so in it, and where the key is:\n"
    region = f'region = "{REGION}"\n' if template.region_env else ""
    yield f'```toml\n[providers.{name}]\n{region}credential = "env:{template.env[0]}"\n```\n'


def _terms(name: str, template: Template) -> Iterator[str]:
    attributes = template.entry.get("attributes", {})
    yield "## Terms\n"
    lines = ["| attribute | | value |", "|---|---|---|"]
    for field, meaning in TERMS.items():
        value = attributes.get(field)
        listed = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            listed = [f"{feature}: {days}" for feature, days in value.items()]
        said = "unknown" if value is None else ", ".join(f"`{v}`" for v in listed)
        lines.append(f"| `{field}` | {meaning} | {said} |")
    yield "\n".join(lines) + "\n"
    evidence = attributes.get("evidence", [])
    if evidence:
        yield "According to:\n"
        yield (
            "\n".join(
                f"- {item['url']}, read {item['verified_on']}" + (f" by {item['by']}" if "by" in item else "")
                for item in evidence
            )
            + "\n"
        )
    if template.env or template.example:
        yield f"What your contract adds goes under `[providers.{name}.attributes]`, with its evidence.\n"


def _tasks(template: Template) -> Iterator[str]:
    if template.tasks:
        yield "## Beside chat\n"
        said = [f"- `{task}` ({source})" for task, source in sorted(template.tasks.items())]
        yield "\n".join(_folded(line, indent="  ").rstrip() for line in said) + "\n"
    if template.not_reached:
        yield _folded(f"Not reached: {template.not_reached}")


def _limits(template: Template) -> Iterator[str]:
    if template.credentials:
        yield "## Credentials and limits\n"
        yield _folded(f"- Credentials: {template.credentials}", indent="  ").rstrip()
        yield _folded(f"- Limits: {template.limits}", indent="  ")


def _quirks(quirks: list[str], sources: dict[str, str]) -> Iterator[str]:
    if quirks:
        yield "## How it departs from the dialect\n"
        yield (
            "\n".join(
                _folded(
                    f"- `{quirk}`: {QUIRKS[quirk]}" + (f" ({sources[quirk]})" if quirk in sources else ""),
                    indent="  ",
                ).rstrip()
                for quirk in sorted(quirks)
            )
            + "\n"
        )
    others = {name: said for name, said in sources.items() if name not in quirks}
    if others:
        yield "Also read of it:\n"
        lines = [_folded(f"- {name}: {said}", indent="  ").rstrip() for name, said in others.items()]
        yield "\n".join(lines) + "\n"


def _settings(name: str, catalog: Catalog) -> Iterator[str]:
    """What its models take of a request's settings, models that take the same together."""
    said: dict[str, list[str]] = {}
    sources: dict[str, None] = {}
    for deployment in catalog.deployments:
        if deployment.provider != name:
            continue
        for dialect in (deployment.dialect, *sorted(deployment.also)):
            accepts = accepts_of(deployment, dialect)
            refused = [setting for setting, how in in_words_of(accepts) if how == "no"]
            taken = [f"`{setting}` {how}" for setting, how in in_words_of(accepts) if how != "no"]
            parts = [*taken, *(["not " + ", ".join(f"`{one}`" for one in refused)] if refused else [])]
            if parts:
                beside = "" if dialect == deployment.dialect else f" (in {DIALECTS[dialect]})"
                said.setdefault("; ".join(parts), []).append(f"`{deployment.model.id}`{beside}")
                sources.update(dict.fromkeys(accepts.sources))
    if not said:
        return
    yield "## Settings its models take\n"
    yield _folded(
        "Others go along as they come. What becomes of one that is not taken: see "
        "[dialects](../dialects.md#settings-a-model-does-not-take)."
    )
    lines = [_folded(f"- {', '.join(models)}: {how}.", indent="  ").rstrip() for how, models in said.items()]
    yield "\n".join(lines) + "\n"
    yield (
        "According to:\n\n"
        + "\n".join(_folded(f"- {source}", indent="  ").rstrip() for source in sources)
        + "\n"
    )


def _models(name: str, catalog: Catalog) -> Iterator[str]:
    served = [d for d in catalog.deployments if d.provider == name]
    yield "## Models\n"
    if not served:
        yield "None built in: name yours under `[[deployments]]`.\n"
        return
    lines = [
        "| model | context | longest answer | input | cached | output | takes and does |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [f"| {' | '.join(_row(deployment))} |" for deployment in served]
    yield "\n".join(lines) + "\n"
    yield "Prices in USD per million tokens; `cached` is input read from the provider's prompt cache.\n"
    exceptions = list(_exceptions(served, str(templates()[name].entry["kind"])))
    if exceptions:
        yield "\n".join(exceptions) + "\n"
    sources = sorted({_source(d.effective_price) for d in served if d.effective_price is not None} - {""})
    yield "Prices according to:\n\n" + "\n".join(f"- {source}" for source in sources) + "\n"


def _row(deployment: Deployment) -> list[str]:
    model, price = deployment.model, deployment.effective_price
    renamed = deployment.upstream_model != model.id
    return [
        f"`{model.id}`" + (f" (there `{deployment.upstream_model}`)" if renamed else ""),
        _count(model.context_tokens),
        _count(model.max_output_tokens),
        *([""] * 3 if _by_unit(price) else [_amount(price, f) for f in ("input", "cache_read", "output")]),
        in_words(model),
    ]


def _by_unit(price: Price | None) -> bool:
    """Whether nothing of it is for tokens."""
    return bool(units_in_words(price)) and price is not None and not price.input and not price.output


def _exceptions(served: list[Deployment], kind: str) -> Iterator[str]:
    """What is true of some models only, models with the same peculiarity together."""
    own = served[0]
    said: dict[str, list[str]] = {}
    for deployment in served:
        price, found = deployment.effective_price, []
        if deployment.dialect != own.dialect:
            found.append(f"Spoken to in {DIALECTS[deployment.dialect]} only")
        if deployment.without:
            listed = ", ".join(f"`{lack}`" for lack in sorted(deployment.without))
            found.append(f"Without {listed}, which the model has elsewhere")
        if deployment.attributes.hosting != own.attributes.hosting:
            found.append("Under terms of its maker's own, of which nothing is claimed here")
        if deployment.attributes.training_use != own.attributes.training_use:
            found.append(f"With `training_use` `{deployment.attributes.training_use}`")
        if units_in_words(price):
            found.append(units_in_words(price))
        if deployment.model.retires is not None:
            whose = "" if follows_maker(deployment.model, kind) else "by its maker, not necessarily here, "
            found.append(f"Ends {whose}on {deployment.model.retires}")
        if price is not None and price.long_context is not None:
            above = _count(price.long_context_above)
            figures = f"{_amount(price.long_context, 'input')} and {_amount(price.long_context, 'output')}"
            found.append(f"Above {above} tokens of input, {figures} USD")
        for peculiarity in found:
            said.setdefault(peculiarity, []).append(f"`{deployment.model.id}`")
    for peculiarity in sorted(said):
        yield _folded(f"- {peculiarity}: {', '.join(said[peculiarity])}.", indent="  ").rstrip()


def _folded(text: str, *, indent: str = "") -> str:
    lines = textwrap.wrap(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _amount(price: Price | None, field: str) -> str:
    value = None if price is None else getattr(price, field)
    return "" if value is None else f"{(Decimal(value) / NANOS).normalize():f}"


def _source(price: Price | None) -> str:
    return "" if price is None else price.source.partition("; leaves out")[0]


def main() -> None:
    """Write every page, and remove those of providers that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
