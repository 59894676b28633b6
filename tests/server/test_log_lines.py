"""Every line of the log is one JSON object, whoever writes it."""

import json
import socket
from pathlib import Path

import pytest
from tests.gateway.door import asked
from tests.gateway.house import running, until
from tests.gateway.stage import ENV, Catalogue, Stage

pytest.importorskip("opentelemetry.sdk")


def test_an_exporter_that_reaches_nobody_says_so_in_json(stage: Stage, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: whoever calls is refused
        catalogue = Catalogue()
        catalogue.provider("chat", "openai_chat", stage.url)
        catalogue.model("m", "chat")
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        text = f'telemetry.otlp_endpoint = "{endpoint}"\n' + catalogue.text
        quick = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        with running(tmp_path, text, **ENV, **quick) as house:
            caller = house.caller()
            assert caller.door.send(asked("openai_chat", "m")).status == 200
            until(lambda: "opentelemetry" in "".join(house.gateway.log), "the exporter complains")

    lines = [line for line in house.gateway.log if "listens on" not in line]
    told = [json.loads(line) for line in lines]
    assert any(line["logger"].startswith("opentelemetry") for line in told)
