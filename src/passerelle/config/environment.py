"""Settings from the environment: `PASSERELLE_*` overrides, and where a file or data lies by default."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from passerelle.config.findings import Finding, did_you_mean
from passerelle.config.schema import PREFIX, base_type, environment_names

NOT_SETTINGS = frozenset(
    {"PASSERELLE_CONFIG", "PASSERELLE_SHARED", "PASSERELLE_API_KEY", "PASSERELLE_BASE_URL", "PASSERELLE_URL"}
)
"""Names that begin like ours and mean something else: where the file is, what tests and clients use."""

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


def find_config(env: Mapping[str, str], folder: Path) -> Path | None:
    """The file to read: `PASSERELLE_CONFIG`, else the first there is of `passerelle.toml` in `folder`, in
    the user's configuration folder, and in `/etc/passerelle`. A path in `PASSERELLE_CONFIG` is given back
    even when nothing is there, so that its absence is said rather than passed over.
    """
    named = env.get("PASSERELLE_CONFIG")
    if named:
        return expanded(Path(named), env)
    candidates = [folder / "passerelle.toml", Path("/etc/passerelle/passerelle.toml")]
    home = env.get("XDG_CONFIG_HOME") or (f"{env['HOME']}/.config" if env.get("HOME") else None)
    if home:
        candidates.insert(1, Path(home) / "passerelle" / "passerelle.toml")
    return next((path for path in candidates if path.is_file()), None)


def default_data_dir(env: Mapping[str, str]) -> Path:
    """Where data is kept when nobody says: the user's data folder, or `/var/lib/passerelle`."""
    home = env.get("XDG_DATA_HOME") or (f"{env['HOME']}/.local/share" if env.get("HOME") else "/var/lib")
    return Path(home) / "passerelle"


def expanded(path: Path, env: Mapping[str, str]) -> Path:
    """`~` replaced by the home folder of `env`."""
    parts = path.parts
    return Path(env["HOME"], *parts[1:]) if parts[:1] == ("~",) and env.get("HOME") else path


def overrides_in(env: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...], object]]:
    """Variable, path and value of every setting that the environment overrides. Empty ones are unset."""
    known = environment_names()
    for name in sorted(env.keys() & known.keys()):
        if env[name]:
            path, annotation = known[name]
            yield name, path, _converted(env[name], annotation)


def unknown_names(env: Mapping[str, str], referenced: Iterable[str]) -> list[Finding]:
    """A warning for each `PASSERELLE_*` variable that overrides nothing and that no reference names."""
    known = environment_names()
    meant = {*known, *NOT_SETTINGS, *referenced}
    strangers = sorted(name for name in env if name.startswith(PREFIX) and name not in meant)
    return [
        Finding(
            "environment",
            None,
            name,
            "no setting has this environment variable, so it changes nothing",
            did_you_mean(name, known, "Unset it, or see docs/configuration.md for the names"),
            "warning",
            "unknown_environment",
        )
        for name in strangers
    ]


def _converted(text: str, annotation: Any) -> object:
    """Text as the kind its setting wants; left as text where it is not that, for validation to say so."""
    wanted = base_type(annotation)
    if get_origin(wanted) is tuple:
        inner = base_type(get_args(wanted)[0])
        return [_converted(part.strip(), inner) for part in text.split(",") if part.strip()]
    if wanted is bool:
        word = text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else text
    if wanted in (int, float):
        try:
            return int(text) if wanted is int else float(text)
        except ValueError:
            return text
    return text
