"""`passerelle quickstart`: from nothing to a real answered request, then stays up."""

import asyncio
import os
import time
from pathlib import Path

import click

from passerelle.cli.ask import told
from passerelle.cli.client import Client
from passerelle.cli.common import Failure, config_options, config_path, overrides, settings_for
from passerelle.cli.progress import Bar
from passerelle.cli.serve import run
from passerelle.config import ConfigError
from passerelle.providers.local.install import InstallError, install
from passerelle.providers.local.options import MODEL
from passerelle.server.listen import bind
from passerelle.store import Store

_QUESTION = "In one sentence: what is a footbridge?"
_PROBE, _PROBE_LIFE_S = "quickstart-probe", 600
_ACTOR = "cli:quickstart"


@click.command()
@config_options
@click.option("--port", type=click.IntRange(0, 65535), help="Port  [default: 8080]")
def command(config: Path | None, data: Path | None, port: int | None) -> None:
    """Install the demo model, start the gateway, show one real request, and stay up until Ctrl-C.

    The first time it also creates a key, shown once. Providers whose keys are in the environment are
    there too.

    \b
    Example:
      passerelle quickstart --data ./data
    """
    settings = settings_for(config, data, port=port)
    bar = Bar()
    try:
        install(settings.data_dir, report=bar)
    except InstallError as error:
        raise Failure(f"The demo model could not be installed: {error}") from error
    finally:
        bar.done()
    # Read again: the local provider is there once its weights are.
    settings = settings_for(config, data, port=port)
    try:
        sock = bind(settings.server.host, settings.server.port)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}. "
            "Is another gateway running there? Choose another with --port."
        ) from error
    url = "http://{}:{}".format(*sock.getsockname()[:2])

    from passerelle.app import App, Source, serve
    from passerelle.store import StoreUnavailable
    from passerelle.telemetry import logs

    logs.configure("warning", "text")
    source = Source(config_path(config), dict(os.environ), overrides(data, port=port))
    try:
        app = App(source, settings)
    except ConfigError as error:
        raise Failure("\n".join(str(finding) for finding in error.findings)) from error
    except StoreUnavailable as error:
        raise Failure(f"The store cannot be opened: {error}") from error
    showing: list[asyncio.Task[None]] = []

    def show() -> None:
        showing.append(asyncio.create_task(asyncio.to_thread(_show, app.store, url)))

    run(serve(app, sock, show))


def _show(store: Store, url: str) -> None:
    """One real request through the front door, and how to send the next one."""
    organisation, _, project = store.tenants.bootstrap(actor=_ACTOR)
    first: str | None = None
    if all(key.name == _PROBE for key in store.keys.list(organisation.id)):
        _, first = store.keys.create(organisation.id, project.id, name="first", actor=_ACTOR, role="operator")
    ends = time.time_ns() + _PROBE_LIFE_S * 1_000_000_000
    probe, token = store.keys.create(
        organisation.id, project.id, name=_PROBE, actor=_ACTOR, expires_at_ns=ends
    )
    click.echo(f"\nPasserelle is up on {url}\n")
    try:
        client = Client(url, token)
        body = {"model": MODEL, "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": 60}
        answer = client.post("/v1/chat/completions", body)
        store.flush()
        receipt = client.get(f"/api/receipts/{answer.headers['x-passerelle-receipt']}").body
        click.echo(f"Question {_QUESTION}")
        click.echo(f"Answer   {answer.body['choices'][0]['message']['content'].strip()}")
        for line in told(receipt):
            click.echo(line)
        click.echo("         (a 135-million-parameter demo model: it proves the road, not much else)")
    except Failure as failure:
        click.echo(f"The request failed: {failure.message}", err=True)
    finally:
        store.keys.revoke(organisation.id, probe.id, actor=_ACTOR)
    shown = first or "YOUR_KEY"
    click.echo()
    if first is not None:
        click.echo(f"Your key, shown once   {first}\n")
    else:
        click.echo("Your key was shown at the first start; another: passerelle keys create --name NAME\n")
    click.echo("Point an SDK here:")
    click.echo(f'  OpenAI     OpenAI(base_url="{url}/v1", api_key="{shown}")')
    click.echo(f'  Anthropic  Anthropic(base_url="{url}", api_key="{shown}")')
    click.echo(f'  Gemini     genai.Client(api_key="{shown}", http_options={{"base_url": "{url}"}})')
    click.echo(f'and ask for model="{MODEL}" or model="smart". Ctrl-C stops the gateway.')
