"""A replayed provider with batch services: OpenAI's files and batches, Anthropic's message batches, strictly.

It keeps what it is given, refuses what the real ones refuse, and answers the same lines when they are asked
one by one. A test can hold any answer back after the work was done (`hold`), as when a caller dies before.
"""

import asyncio
import email
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs

from tests import upstream_answers as answers
from tests import upstream_openai as openai

Body = dict[str, Any]
_ENDPOINTS = {
    "/v1/chat/completions": openai.chat,
    "/v1/responses": openai.responses,
    "/v1/embeddings": openai.embeddings,
    "/v1/images/generations": openai.images,
}
_MESSAGE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """What the provider will not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class There:
    """A batch at the provider."""

    id: str
    endpoint: str
    lines: list[tuple[str, Body]]
    input_id: str = ""
    status: str = "in_progress"
    metadata: Any = None
    files: dict[str, str] = field(default_factory=dict)
    results: list[Body] = field(default_factory=list)


@dataclass
class BatchUpstream:
    """The provider, in a thread with its own loop."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) as they came."""
    asked: list[str] = field(default_factory=list)
    """The words of lines asked one by one."""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, There] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    answers: Callable[[str, Body], tuple[int, Body] | None] | None = None
    """(words of a line, its body) → status and body, None for one it does not come to; unsaid: a good one."""
    ends: bool = True
    """Batches end as soon as they are looked at; otherwise when `end` is called or they are cancelled."""
    refuses: str = ""
    """A batch of this model fails validation."""
    fail: list[tuple[str, str, int]] = field(default_factory=list)
    """(method, start of the path, status): the next such request is answered so, with nothing done."""
    port: int = 0
    made: Iterator[int] = field(default_factory=lambda: count(1))
    """Numbers for names: none comes twice, or what one test left behind would be taken for another's."""

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._holding: list[tuple[str, str]] = []
        self.held = threading.Event()
        self._gate = asyncio.Event()

        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(start())
            self._loop.run_forever()
            self._server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def hold(self, *wanted: str) -> None:
        """Of each (method, end of the path) do the next such request's work, and keep its answer back until
        `release`. `held` is set when all are."""
        self.held.clear()
        self._gate = asyncio.Event()
        self._holding = list(zip(wanted[::2], wanted[1::2], strict=True))

    def release(self) -> None:
        """Let answers go."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def end(self) -> None:
        """From now on batches end when they are looked at."""
        self.ends = True

    def seen(self, method: str, path: str) -> int:
        """How often that was asked; `path` is its end without the query."""
        return sum(m == method and p.partition("?")[0].endswith(path) for m, p in self.requests)

    # --- the wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rest = head.decode().split("\r\n")
                method, path, _ = line.split(" ", 2)
                headers = {n.lower(): v.strip() for n, _, v in (r.partition(":") for r in rest if r)}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((method, path))
                status, said = self._answer(method, path, headers, raw)
                for row in self._holding:
                    if method == row[0] and re.search(row[1], path):
                        self._holding.remove(row)
                        gate = self._gate
                        if not self._holding:
                            self.held.set()
                        await gate.wait()
                        break
                writer.write(
                    b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (status, len(said), said)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, bytes]:
        for row in self.fail:
            if method == row[0] and path.startswith(row[1]):
                self.fail.remove(row)
                return row[2], b'{"error": {"message": "scripted", "type": "scripted"}}'
        try:
            if path.startswith("/v1/messages"):
                if not headers.get("x-api-key") or not headers.get("anthropic-version"):
                    raise Refused(401, "no credential, or no version")
                said = self._anthropic(method, path, raw)
            else:
                if not headers.get("authorization", "").startswith("Bearer "):
                    raise Refused(401, "no credential")
                said = self._openai(method, path, headers, raw)
        except Refused as refused:
            inner = {"message": refused.message, "type": "invalid_request_error"}
            return refused.status, json.dumps({"type": "error", "error": inner}).encode()
        return 200, said if isinstance(said, bytes) else json.dumps(said).encode()

    # --- OpenAI's

    def _openai(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Body | bytes:
        where, _, query = path.partition("?")
        parts = where.removeprefix("/v1/").split("/")
        match method, parts:
            case "POST", ["chat", "completions"] | ["responses"] | ["embeddings"] | ["images", "generations"]:
                body = json.loads(raw)
                self.asked.append(_words(body))
                return _ENDPOINTS[where](where, body)
            case "POST", ["files"]:
                return self._upload(headers, raw)
            case "GET", ["files"]:
                if "purpose=batch" not in query:
                    raise Refused(400, "say `purpose`")
                return self._page([self._file(name) for name in self.files], query)
            case "GET", ["files", name, "content"] if name in self.files:
                return self.files[name][1]
            case "DELETE", ["files", name] if name in self.files:
                del self.files[name]
                self.deleted.append(name)
                return {"id": name, "object": "file", "deleted": True}
            case "POST", ["batches"]:
                return self._create(json.loads(raw))
            case "GET", ["batches"]:
                return self._page([self._shown(one) for one in self.batches.values()], query)
            case "GET", ["batches", name] if name in self.batches:
                self._work(self.batches[name])
                return self._shown(self.batches[name])
            case "POST", ["batches", name, "cancel"] if name in self.batches:
                batch = self.batches[name]
                if batch.status != "in_progress":
                    raise Refused(409, f"it is {batch.status}")
                batch.status = "cancelling"
                return self._shown(batch)
        raise Refused(404, f"no {method} {where}")

    def _page(self, rows: list[Body], query: str) -> Body:
        said = {name: values[0] for name, values in parse_qs(query).items()}
        rows.reverse()
        if "after" in said:
            rows = rows[[row["id"] for row in rows].index(said["after"]) + 1 :]
        limit = min(int(said.get("limit", "20")), 2)  # small pages, so that they are turned
        return {"object": "list", "data": rows[:limit], "has_more": len(rows) > limit}

    def _upload(self, headers: dict[str, str], raw: bytes) -> Body:
        kind = headers.get("content-type", "")
        form = email.message_from_bytes(b"content-type: %b\r\n\r\n%b" % (kind.encode(), raw))
        parts = {str(p.get_param("name", header="content-disposition")): p for p in form.get_payload()}
        if parts.keys() != {"purpose", "file"} or parts["purpose"].get_payload().strip() != "batch":
            raise Refused(400, "a file for a batch is wanted")
        name = f"file-{next(self.made)}"
        self.files[name] = str(parts["file"].get_filename()), parts["file"].get_payload(decode=True)
        return self._file(name)

    def _file(self, name: str) -> Body:
        filename, content = self.files[name]
        return {
            "id": name, "object": "file", "bytes": len(content), "created_at": _now(), "purpose": "batch",
            "filename": filename,
        }  # fmt: skip

    def _create(self, asked: Body) -> Body:
        if asked.keys() - {"input_file_id", "endpoint", "completion_window", "metadata"}:
            raise Refused(400, "unknown fields")
        if asked["completion_window"] != "24h" or asked["endpoint"] not in _ENDPOINTS:
            raise Refused(400, "no such window or endpoint")
        if asked["input_file_id"] not in self.files:
            raise Refused(400, "no such file")
        lines = []
        for text in self.files[asked["input_file_id"]][1].splitlines():
            line = json.loads(text)
            assert line.keys() == {"custom_id", "method", "url", "body"}, line
            assert line["method"] == "POST", line
            assert line["url"] == asked["endpoint"], line
            lines.append((line["custom_id"], line["body"]))
        assert len({name for name, _ in lines}) == len(lines), "an id came twice"
        batch = There(f"batch_{next(self.made)}", asked["endpoint"], lines, asked["input_file_id"])
        batch.metadata = asked.get("metadata")
        models = {body["model"] for _, body in lines}
        if len(models) > 1 or self.refuses in models:
            batch.status = "failed"
        self.batches[batch.id] = batch
        return self._shown(batch)

    def _work(self, batch: There) -> None:
        if batch.status == "cancelling" or (batch.status == "in_progress" and self.ends):
            done = "cancelled" if batch.status == "cancelling" else "completed"
            output, errors = [], []
            for name, body in reversed(batch.lines):  # never in the order of the input
                answered = self._of(body, _ENDPOINTS[batch.endpoint])
                if answered is None:
                    error = {"code": "batch_expired", "message": "too late"}
                    errors.append({"id": f"r{name}", "custom_id": name, "response": None, "error": error})
                    done = "expired" if done == "completed" else done
                    continue
                status, said = answered
                response = {"status_code": status, "request_id": f"up-{name}", "body": said}
                row = {"id": f"r{name}", "custom_id": name, "response": response, "error": None}
                (output if status == 200 else errors).append(row)
            for which, rows in (("output", output), ("error", errors)):
                if rows:
                    name = f"file-{batch.id}-{which}"
                    self.files[name] = name, "".join(json.dumps(row) + "\n" for row in rows).encode()
                    batch.files[which] = name
            batch.status = done

    def _of(self, body: Body, good: Callable[[str, Body], Body]) -> tuple[int, Body] | None:
        if self.answers is None:
            return 200, good("", body)
        found = self.answers(_words(body), body)
        return (200, good("", body)) if found == (200, {}) else found

    def _shown(self, batch: There) -> Body:
        errors = None
        if batch.status == "failed":
            errors = {"object": "list", "data": [{"code": "model_not_batchable", "message": "not this one"}]}
        return {
            "id": batch.id, "object": "batch", "endpoint": batch.endpoint, "errors": errors,
            "input_file_id": batch.input_id, "completion_window": "24h", "status": batch.status,
            "output_file_id": batch.files.get("output"), "error_file_id": batch.files.get("error"),
            "created_at": _now(), "metadata": batch.metadata,
        }  # fmt: skip

    # --- Anthropic's

    def _anthropic(self, method: str, path: str, raw: bytes) -> Body | bytes:
        where, _, query = path.partition("?")
        parts = where.removeprefix("/v1/messages").strip("/").split("/")
        match method, parts:
            case "POST", [""]:
                body = json.loads(raw)
                self.asked.append(_words(body))
                return answers.anthropic(where, body)
            case "POST", ["batches"]:
                return self._create_messages(json.loads(raw))
            case "GET", ["batches"]:
                said = {name: values[0] for name, values in parse_qs(query).items()}
                rows = [self._message_batch(one) for one in self.batches.values()][::-1]
                if "after_id" in said:
                    rows = rows[[row["id"] for row in rows].index(said["after_id"]) + 1 :]
                return {"data": rows[:2], "has_more": len(rows) > 2}
            case "GET", ["batches", name] if name in self.batches:
                self._work_messages(self.batches[name])
                return self._message_batch(self.batches[name])
            case "GET", ["batches", name, "results"] if name in self.batches:
                if self.batches[name].status != "ended":
                    raise Refused(404, "it has not ended")
                return "".join(json.dumps(row) + "\n" for row in self.batches[name].results).encode()
            case "POST", ["batches", name, "cancel"] if name in self.batches:
                if self.batches[name].status == "ended":
                    raise Refused(400, "it has ended")
                self.batches[name].status = "canceling"
                return self._message_batch(self.batches[name])
            case "DELETE", ["batches", name] if name in self.batches:
                if self.batches[name].status != "ended":
                    raise Refused(400, "cancel it first")
                del self.batches[name]
                self.deleted.append(name)
                return {"id": name, "type": "message_batch_deleted"}
        raise Refused(404, f"no {method} {where}")

    def _create_messages(self, asked: Body) -> Body:
        if asked.keys() != {"requests"} or not asked["requests"]:
            raise Refused(400, "requests are wanted, and nothing else")
        lines = []
        for one in asked["requests"]:
            assert one.keys() == {"custom_id", "params"}, one
            assert _MESSAGE_ID.fullmatch(one["custom_id"]), one
            assert one["params"].keys() >= {"model", "max_tokens", "messages"}, one
            lines.append((one["custom_id"], one["params"]))
            if one["params"]["model"] == self.refuses:
                raise Refused(400, "not this model")
        assert len({name for name, _ in lines}) == len(lines), "an id came twice"
        batch = There(f"msgbatch_{next(self.made)}", "/v1/messages", lines)
        self.batches[batch.id] = batch
        return self._message_batch(batch)

    def _work_messages(self, batch: There) -> None:
        if batch.status == "canceling" or (batch.status == "in_progress" and self.ends):
            cancelled = batch.status == "canceling"
            for name, body in reversed(batch.lines):
                answered = self._of(body, answers.anthropic)
                if answered is None:
                    result: Body = {"type": "canceled" if cancelled else "expired"}
                elif answered[0] == 200:
                    result = {"type": "succeeded", "message": answered[1]}
                else:
                    result = {"type": "errored", "error": answered[1]}
                batch.results.append({"custom_id": name, "result": result})
            batch.status = "ended"

    def _message_batch(self, batch: There) -> Body:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["processing"] = len(batch.lines) - len(batch.results)
        for row in batch.results:
            counts[row["result"]["type"]] += 1
        return {
            "id": batch.id, "type": "message_batch", "processing_status": batch.status,
            "request_counts": counts, "created_at": datetime.now(UTC).isoformat(),
            "results_url": "https://elsewhere.invalid/never-followed",
        }  # fmt: skip


def _words(body: Body) -> str:
    """What a line asks."""
    said = body.get("messages") or body.get("input") or body.get("prompt")
    return said if isinstance(said, str) else str(said[-1]["content"])


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
