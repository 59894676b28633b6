"""`passerelle serve`."""

import asyncio
import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path

import click

from passerelle.cli.common import Failure, config_options, config_path, overrides, settings_for
from passerelle.config import ConfigError, Settings
from passerelle.server.listen import bind


@click.command()
@config_options
@click.option("--host", help="Address to listen on  [env: PASSERELLE_HOST; default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port  [env: PASSERELLE_PORT; default: 8080]")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes  [env: PASSERELLE_WORKERS; default: 1]"
)
@click.option("--fd", type=int, hidden=True)
def command(
    config: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    fd: int | None,
) -> None:
    """Start the gateway and serve until SIGTERM or Ctrl-C.

    Works from any directory and without a terminal. Without a configuration file, the providers whose keys
    are in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, …) are there, and the local model if installed.

    \b
    Example:
      passerelle serve --config passerelle.toml --data /var/lib/passerelle --workers 2
    """
    settings = settings_for(config, data, host=host, port=port, workers=workers)
    if fd is not None:
        _serve(settings, socket.socket(fileno=fd), config, data, host, port, workers)
        return
    try:
        sock = bind(settings.server.host, settings.server.port)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}. "
            "Is another gateway running there? Choose another with --port."
        ) from error
    address = "{}:{}".format(*sock.getsockname()[:2])
    click.echo(f"Passerelle listens on http://{address}", err=True)
    if settings.server.workers > 1:
        from passerelle.server.workers import WorkersFailed, supervise

        try:
            sys.exit(
                supervise(
                    [sys.executable, "-m", "passerelle", *sys.argv[1:]],
                    sock,
                    settings.server.workers,
                    grace_s=settings.server.drain_s,
                )
            )
        except WorkersFailed as error:
            raise Failure(str(error)) from error
    _serve(settings, sock, config, data, host, port, workers)


def _serve(
    settings: Settings,
    sock: socket.socket,
    config: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
) -> None:
    """One worker, to its end."""
    from passerelle.app import App, Source, serve
    from passerelle.store import StoreUnavailable
    from passerelle.telemetry import logs

    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format)
    source = Source(
        config_path(config), dict(os.environ), overrides(data, host=host, port=port, workers=workers)
    )
    try:
        app = App(source, settings)
    except ConfigError as error:
        raise Failure("\n".join(str(finding) for finding in error.findings)) from error
    except StoreUnavailable as error:
        raise Failure(f"The store cannot be opened: {error}") from error
    run(serve(app, sock))


def run(main: Coroutine[object, object, None]) -> None:
    """Run to the end on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
