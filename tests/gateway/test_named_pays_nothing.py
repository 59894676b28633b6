"""Who names a model pays nothing for choosing: no module of it is loaded, and no step of it is taken."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path
from random import Random
from tests.properties.rules_road import RulesRoad
from tests.properties.rules_worlds import a_world, Question, Who, Ask, body_of

async def main(folder):
    road = RulesRoad(folder)
    for seed in range(40):
        world = a_world(Random(seed))
        world.down.clear()
        road.enter(world)
        who = Who("key_1", (), None, Ask(), None, None)
        for place in world.places:
            question = Question(who, place.id, "openai_chat", False, None, (), None, False, False, False, 1)
            await road.ask(question, body_of(question))
    await road.app.road.tend()
    loaded = [name for name in sys.modules if name.startswith("passerelle.") or name == "numpy"]
    await road.app.generations.aclose()
    road.app.store.close()
    print(" ".join(sorted(loaded)))

asyncio.run(main(Path(sys.argv[1])))
"""
OF_CHOOSING = (
    "passerelle.core.outcome", "passerelle.gateway.learning", "passerelle.gateway.learning.learned",
    "passerelle.store.feedback", "passerelle.store.router_states",
    "passerelle.gateway.learning.signals", "passerelle.gateway.recall",
    "passerelle.router.classify", "passerelle.router.task", "passerelle.router.verifier.json_schema",
    "passerelle.gateway.choosing", "passerelle.gateway.judgement", "passerelle.gateway.pacing",
    "passerelle.gateway.sighting", "passerelle.gateway.whereabouts", "passerelle.router.affinity",
    "passerelle.router.cost", "passerelle.router.quality.base", "passerelle.router.rank",
    "passerelle.router.utility",
)  # fmt: skip


def test_named_requests_load_nothing_of_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=root, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    loaded = done.stdout.split()
    assert "passerelle.gateway.road" in loaded
    assert not set(loaded) & {*OF_CHOOSING, "numpy"}
