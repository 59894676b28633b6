"""Importing settings or the catalog reads no file of ours and no environment."""

import subprocess
import sys

SPY = """
import os, sys
import pydantic, msgspec, yaml, tomllib, importlib.resources, importlib.metadata, ipaddress, difflib
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
class Spy(dict):
    def __getitem__(self, key, *rest):
        if "passerelle" in sys._getframe(1).f_globals.get("__name__", ""):
            raise SystemExit(f"read {key} from the environment")
        return (rest or (None,))[0]
    get = __contains__ = __getitem__
os.environ = Spy()
os.getenv = lambda *a: Spy()[a[0]]
import passerelle.config, passerelle.catalog, passerelle.catalog.imports
bad = [path for path in opened if path.endswith((".toml", ".yaml", ".json"))]
assert not bad, bad
"""


def test_import_does_nothing_visible() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
