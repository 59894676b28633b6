"""The official Node SDKs: `node/run.mjs` in a process of its own, given jobs and telling outcomes."""

import json
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.contract.contract_ask import Question, Thrown
from tests.contract.contract_said import (
    MAX_TOKENS,
    QUESTION,
    SYSTEM,
    TOOL,
    TOOL_DESCRIPTION,
    TOOL_SCHEMA,
    WEATHER,
    Said,
)
from tests.prepared import NODE_FOLDER
from tests.serving import clean_env


class Node:
    """The process, kept for many jobs because starting it costs half a second."""

    def __enter__(self) -> "Node":
        self._process = subprocess.Popen(
            ["node", "run.mjs"],
            cwd=NODE_FOLDER,
            env=clean_env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def run(self, action: str, **job: Any) -> Any:
        """What came of a job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"action": action, **job}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process ended; its words are on standard error"
        outcome = json.loads(line)
        assert "error" not in outcome, outcome["error"]
        return outcome["told"]


@dataclass
class NodeSpeaker:
    """One dialect of the Node SDKs, as a `Speaker`."""

    node: Node
    dialect: str
    url: str
    token: str

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """See `Speaker`."""
        told = self.node.run(
            "converse",
            dialect=self.dialect,
            url=self.url,
            token=self.token,
            model=model,
            stream=stream,
            tools=tools,
            system=SYSTEM,
            question=QUESTION,
            maxTokens=MAX_TOKENS,
            tool={"name": TOOL, "description": TOOL_DESCRIPTION, "schema": TOOL_SCHEMA},
            weather=WEATHER,
        )
        return [
            Said(**{**said, "models": set(said["models"]), "calls": [tuple(call) for call in said["calls"]]})
            for said in told
        ]


@dataclass
class NodeAsker:
    """One dialect of the Node SDKs, as an `Asker`."""

    node: Node
    dialect: str
    url: str

    def ask(self, token: str, question: Question) -> Thrown | str:
        """See `Asker`."""
        told = self.node.run(
            "ask",
            dialect=self.dialect,
            url=self.url,
            token=token,
            model=question.model,
            stream=question.stream,
            malformed=question.malformed,
            question=QUESTION,
        )
        heard: str = told["heard"]
        return Thrown(**told["error"], heard=heard) if "error" in told else heard
