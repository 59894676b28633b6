"""`passerelle serve`."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from passerelle.cli.common import (
    Failure,
    config_options,
    config_path,
    overrides,
    private_data_dir,
    refused,
    settings_for,
    unwritable,
)

if TYPE_CHECKING:
    from passerelle.app import App
    from passerelle.config import Settings
    from passerelle.gateway.charts import Charts
    from passerelle.gateway.counters import SharedCounters


@click.command()
@config_options
@click.option("--host", help="Address to listen on  [env: PASSERELLE_HOST; default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port  [env: PASSERELLE_PORT; default: 8080]")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes  [env: PASSERELLE_WORKERS; default: 1]"
)
@click.option("--fd", type=int, hidden=True, help="A listening socket inherited from the parent.")
@click.option("--limits-fd", type=int, hidden=True, help="Shared counters inherited from the parent.")
@click.option("--health-fd", type=int, hidden=True, help="Shared health inherited from the parent.")
@click.option("--ready-fd", type=int, hidden=True, help="Where the parent waits to hear that we serve.")
@click.option("--place", type=int, default=0, hidden=True, help="Which of the parent's workers this is.")
def command(
    config: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    fd: int | None,
    limits_fd: int | None,
    health_fd: int | None,
    ready_fd: int | None,
    place: int,
) -> None:
    """Start the gateway and serve until SIGTERM or Ctrl-C.

    Works from any directory and without a terminal. Without a configuration file, the providers whose keys
    are in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, …) are there, and the local model if installed.

    \b
    Example:
      passerelle serve --config passerelle.toml --data /var/lib/passerelle --workers 2
    """
    settings = settings_for(config, data, host=host, port=port, workers=workers)
    said = overrides(data, host=host, port=port, workers=workers)
    if fd is not None:
        counters = None if limits_fd is None else _shared_counters(limits_fd, place)
        charts = None if health_fd is None else _shared_charts(health_fd, place)
        announce = None if ready_fd is None else partial(_announce, ready_fd)
        _serve(settings, socket.socket(fileno=fd), config, said, counters, charts, announce)
        return
    sock = listening_socket(settings)
    click.echo(f"Passerelle listens on {address(settings, sock)}", err=True)
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
    _serve(settings, sock, config, said)


def _shared_counters(fd: int, place: int) -> "SharedCounters":
    """The counters of limits that all workers of the parent share. They go no further than this process."""
    from passerelle.gateway.counters import SharedCounters

    os.set_inheritable(fd, False)
    return SharedCounters(fd, place)


def _shared_charts(fd: int, place: int) -> "Charts":
    """The health of deployments, likewise."""
    from passerelle.gateway.charts import Charts

    os.set_inheritable(fd, False)
    return Charts(fd, place)


def _announce(ready_fd: int) -> None:
    """Tell the parent that requests are taken."""
    os.write(ready_fd, b"1")
    os.close(ready_fd)


def _serve(
    settings: "Settings",
    sock: socket.socket,
    config: Path | None,
    said: dict[str, object],
    counters: "SharedCounters | None" = None,
    charts: "Charts | None" = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """One worker, to its end."""
    from passerelle.server.heap import share_one_heap
    from passerelle.telemetry import logs

    share_one_heap()
    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format)
    run_app(build_app(settings, config, said, counters, charts), sock, on_ready)


def listening_socket(settings: "Settings") -> socket.socket:
    """The socket requests will come to, or exit 1."""
    from passerelle.server.listen import bind

    try:
        return bind(settings.server.host, settings.server.port)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}. "
            "Is another gateway running there? Choose another with --port."
        ) from error


def address(settings: "Settings", sock: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = sock.getsockname()[:2]
    scheme = "http" if settings.server.tls_cert is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def build_app(
    settings: "Settings",
    config: Path | None,
    said: dict[str, object],
    counters: "SharedCounters | None" = None,
    charts: "Charts | None" = None,
) -> "App":
    """Everything joined, or exit 1 with the reason. `said` are the command line's overrides, `counters` and
    `charts` what this worker shares with others.
    """
    from passerelle.app import App, Source
    from passerelle.config import ConfigError
    from passerelle.store import StoreUnavailable

    private_data_dir(settings)
    try:
        source = Source(config_path(config), dict(os.environ), said)
        return App(source, settings, counters=counters, charts=charts)
    except ConfigError as error:
        raise refused(error) from error
    except StoreUnavailable as error:
        raise Failure(f"The store cannot be opened: {error}") from error
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error


def run_app(app: "App", sock: socket.socket, on_ready: Callable[[], None] | None = None) -> None:
    """Serve until told to stop. The socket goes no further: not to the local engine's process either."""
    from passerelle.app import serve

    sock.set_inheritable(False)
    _run(serve(app, sock, on_ready))


def _run(main: Coroutine[object, object, None]) -> None:
    """Run to the end on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
