"""A LiteLLM `config.yaml` as a `passerelle.toml`, with an account of what could not come along.

Shape of the file: docs.litellm.ai/docs/proxy/configs (read 2026-11-22). No LiteLLM code is run or needed.
Secrets come over as references only; a key that stands in the file in clear is never copied.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from passerelle.catalog.builtin import Builtin, builtin
from passerelle.catalog.imports.draft import Draft
from passerelle.catalog.imports.litellm_models import Credentials, ModelList
from passerelle.catalog.imports.litellm_names import Naming
from passerelle.catalog.imports.litellm_settings import draws_at_random, fallbacks_in, read_settings
from passerelle.catalog.imports.report import ImportResult, Report
from passerelle.catalog.imports.yaml_input import YamlRefusedError, read_yaml
from passerelle.catalog.load import build
from passerelle.catalog.prices import price_book
from passerelle.catalog.references import reference_findings
from passerelle.config.document import parse
from passerelle.config.findings import Finding, errors_in
from passerelle.config.load import inspect_document


def import_litellm(source: Path | str, *, name: str | None = None, on: date | None = None) -> ImportResult:
    """Read a LiteLLM configuration: a `Path`, or the text itself. Never raises for what is in it.

    `name` is what findings call the file; `on` the day whose prices are written out, today when not said.
    """
    file = name or (str(source) if isinstance(source, Path) else "config.yaml")
    try:
        text = source.read_text("utf-8-sig") if isinstance(source, Path) else source
        document = read_yaml(text)
    except YamlRefusedError as refused:
        report = Report(file, {} if refused.line is None else {("file",): refused.line})
        report.say(
            () if refused.line is None else ("file",), "unreadable", refused.message, refused.next_step
        )
        return ImportResult("", report.findings())
    except (OSError, UnicodeDecodeError) as error:
        report = Report(file)
        report.say((), "unreadable", f"the file cannot be read ({type(error).__name__})", "Name another")
        return ImportResult("", report.findings())
    report = Report(file, document.lines)
    for path in document.repeated:
        report.say(
            path, "needs_attention", "this key stands twice; the last one was read", "Keep one of them"
        )
    return _imported(document.data, report, builtin(), on or datetime.now(UTC).date())


def _imported(data: Mapping[str, Any], report: Report, known: Builtin, on: date) -> ImportResult:
    draft = Draft()
    credentials = Credentials(data.get("credential_list"), report)
    models = ModelList(draft, report, known, credentials)
    models.read(data.get("model_list"))
    credentials.leftovers()
    book = price_book(known.rows, on, source=known.price_source)
    naming = Naming(draft, report, known, book)
    naming.settle(models.groups, frozenset(fallbacks_in(data)), shuffled=draws_at_random(data))
    read_settings(data, draft, models.groups, report)
    if not draft.deployments and not draft.providers:
        report.say(
            ("model_list",), "needs_attention", "no model could be carried over", "See the other findings"
        )
    heading = (
        "Imported from a LiteLLM configuration. Read what the import said of it, then run\n"
        "`passerelle check`."
    )
    if draft.variables():
        heading += " Secrets are named here, not held: set these variables before starting."
    text = draft.written(heading)
    for mistake in mistakes_in(text, draft.variables(), known):
        report.say((), "needs_attention", f"in the written file, `{mistake.field}`: {mistake.message}",
                   mistake.next_step)  # fmt: skip
    return ImportResult(text, report.findings())


def mistakes_in(text: str, variables: frozenset[str], known: Builtin) -> Iterator[Finding]:
    """What our own check would refuse in a written file, its variables supposed to be set."""
    inspection = inspect_document(parse(text, "passerelle.toml"), dict.fromkeys(variables, "set"))
    yield from errors_in(inspection.findings)
    if inspection.settings is None:
        yield from errors_in(reference_findings(inspection.origin, known))
    else:
        yield from errors_in(build(inspection.settings).findings)
