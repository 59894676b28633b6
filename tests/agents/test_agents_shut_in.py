"""An agent can reach the gateway through its door, and nothing else: not even this machine's own loopback."""

import json
import subprocess
import sys
from urllib.parse import urlsplit

from tests.agents.agent_world import World, alone

_TRY = """
import json, socket, sys, urllib.request
tried = {}
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        tried[place] = "reached"
    except OSError as error:
        tried[place] = type(error).__name__
health = urllib.request.urlopen("http://127.0.0.1:8080/livez", timeout=10).status
print(json.dumps([tried, health]))
sys.exit(7)
"""


def test_nothing_but_the_door_can_be_reached(world: World) -> None:
    outside = f"127.0.0.1:{urlsplit(world.gateway.base_url).port}"
    nowhere = "192.0.2.1:80"  # TEST-NET-1 (RFC 5737)
    done = subprocess.run(
        [*alone(world.door.path), sys.executable, "-I", "-c", _TRY, outside, nowhere],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    tried, health = json.loads(done.stdout)
    assert health == 200
    assert tried == {outside: "ConnectionRefusedError", nowhere: "OSError"}
