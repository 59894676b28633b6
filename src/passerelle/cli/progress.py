"""A progress bar for a stage that counts bytes; quiet when nobody watches."""

import sys

import click

from passerelle.providers.local.install import Progress

_WIDTH = 30
_WORDS = {"download": "Downloading", "verify": "Checking", "extract": "Extracting"}


class Bar:
    """Draws one line per stage on standard error; without a terminal, one line when a stage begins."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._drawn = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        """How far it is now."""
        if progress.stage != self._stage:
            self.done()
            self._stage = progress.stage
            if not self._drawn:
                click.echo(f"{_WORDS[progress.stage]} the demo model", err=True)
        if not self._drawn:
            return
        total = progress.total_bytes or 0
        part = min(progress.done_bytes / total, 1.0) if total else 0.0
        full = int(part * _WIDTH)
        megabytes = f"{progress.done_bytes / 1e6:.0f}" + (f" of {total / 1e6:.0f} MB" if total else " MB")
        click.echo(
            f"\r{_WORDS[progress.stage]:12} [{'█' * full}{'░' * (_WIDTH - full)}] {megabytes}   ",
            nl=False,
            err=True,
        )

    def done(self) -> None:
        """End the line of the last stage."""
        if self._stage is not None and self._drawn:
            click.echo(err=True)
        self._stage = None
