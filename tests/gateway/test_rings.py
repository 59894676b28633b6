"""A request leaves nothing that only the collector of garbage would find: under load that piles up."""

import json
import os
import socket
from pathlib import Path

from tests.faultd import Reset, Send, Wait
from tests.gateway.door import DIALECTS, Asked, asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, stream_bytes

HOOK = Path(__file__).with_name("rings")


def test_requests_leave_no_rings(stage: Stage, tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, and not listened on: connections to it are refused
        closed.bind(("127.0.0.1", 0))
        catalogue = Catalogue([*Catalogue().lines, "[delivery]", "hedge_after_s = 0.02"])
        catalogue.provider("down", "openai_chat", f"http://127.0.0.1:{closed.getsockname()[1]}")
        for dialect in DIALECTS:
            catalogue.provider(dialect, dialect, stage.url)
            catalogue.model(f"m-{dialect}", dialect)
            catalogue.duo(f"duo-{dialect}", "down", dialect)
            for name in (f"first-{dialect}", f"second-{dialect}"):
                catalogue.provider(name, dialect, stage.url)
            catalogue.duo(f"pair-{dialect}", f"first-{dialect}", f"second-{dialect}")
        told = tmp_path / "told"
        told.mkdir()
        path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
        with running(
            tmp_path / "house", catalogue.text, **ENV, PYTHONPATH=path, RINGS_TOLD_IN=str(told)
        ) as house:
            keeper = house.caller("keeper", content="conversations")
            caller, hedger = house.caller(), house.caller("hedger", hedge=True)
            for at in DIALECTS:
                for dialect in DIALECTS:
                    for stream in (False, True):
                        for delivery in ("stream", "verified"):
                            ask = asked(dialect, f"m-{at}", stream=stream)
                            assert caller.door.send(ask, x_passerelle_delivery=delivery).status == 200
                assert caller.door.send(asked("anthropic", f"duo-{at}", stream=True)).status == 200
                whole = stream_bytes(at, path=asked(at, f"m-{at}", stream=True).path)
                stage.script(f"m-{at}.{at}", Send(whole[: len(whole) * 2 // 3]), Reset())
                caller.door.send(asked(at, f"m-{at}", stream=True))  # cut: whatever it is told
                for name in (f"first-{at}", f"second-{at}"):
                    stage.always(f"pair-{at}-model.{name}", Wait(0.1), *failing(500)(at))
                ask = asked(at, f"pair-{at}")  # the second is called beside the first, and both fail
                assert hedger.door.send(ask, x_passerelle_hedge="1").status != 200
                ask = asked(at, f"m-{at}")  # sent again, where answers are not kept
                first, again = [caller.door.send(ask, idempotency_key=f"of-{at}") for _ in range(2)]
                assert first.status == 200 != again.status
                answered_in_the_background(keeper, f"m-{at}")
            assert house.gateway.stop() == 0
    (file,) = told.iterdir()
    assert json.loads(file.read_text()) == {}


def answered_in_the_background(keeper: Caller, model: str) -> None:
    """Whole and streamed; a stream is read to its end."""
    said = {"model": model, "input": "?", "background": True}
    for stream in (True, False):
        ask = Asked("/v1/responses", json.dumps({**said, "stream": stream}).encode())
        made = keeper.door.send(ask)
        assert made.status == 200
    where = f"/v1/responses/{made.json['id']}"
    until(lambda: keeper.door.get(where).json["status"] == "completed", "it is answered")
