"""A progress bar for stages that count bytes; one line a stage when nobody watches."""

import sys
import time

import click

from passerelle.cli.look import coloured
from passerelle.providers.local.install import Progress

_WIDTH = 30
_DRAW_EVERY_S = 0.05
_PATIENCE_S = 0.4
"""A stage over sooner than this, such as checking a file that is there, is not worth a bar."""
_WORDS = {"download": "Downloading", "verify": "Checking", "extract": "Unpacking"}


class Bar:
    """Draws one stage at a time on standard error, and takes its line away when the stage is over."""

    def __init__(self) -> None:
        self._drawn = sys.stderr.isatty()
        self._stage: str | None = None
        self._since_s = self._drawn_at_s = 0.0
        self._on_screen = False

    def __call__(self, progress: Progress) -> None:
        """How far it is now."""
        now_s = time.monotonic()
        if progress.stage != self._stage:
            self.done()
            self._stage, self._since_s, self._drawn_at_s = progress.stage, now_s, 0.0
            if not self._drawn and progress.stage == "download":
                click.echo("Downloading the demo model …", err=True)
        waiting = now_s - self._since_s < _PATIENCE_S or now_s - self._drawn_at_s < _DRAW_EVERY_S
        if self._drawn and not waiting:
            self._drawn_at_s = now_s
            self._draw(progress, now_s - self._since_s)

    def done(self) -> None:
        """The stage is over: leave the line as it was before."""
        if self._on_screen:
            click.echo("\r\x1b[K", nl=False, err=True, color=True)
            self._on_screen = False
        self._stage = None

    def _draw(self, progress: Progress, elapsed_s: float) -> None:
        done, total = progress.done_bytes, progress.total_bytes or 0
        part = min(done / total, 1.0) if total else 0.0
        full = int(part * _WIDTH)
        filled, rest = "█" * full, "░" * (_WIDTH - full)
        if coloured(sys.stderr):
            filled, rest = click.style(filled, fg="green"), click.style(rest, dim=True)
        size = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
        speed = f"{done / 1e6 / elapsed_s:.0f} MB/s" if progress.stage == "download" else ""
        line = f"\r\x1b[K  {_WORDS[progress.stage]:<12} {filled}{rest}  {size}  {speed}"
        click.echo(line.rstrip(), nl=False, err=True, color=True)
        self._on_screen = True
