"""The replayed batch services of Groq, Azure, Mistral and Gemini, as strict as OpenAI's and Anthropic's.

    /groq/v1/…                            files and batches as OpenAI's, whose lists take no parameters
    /openai/v1/…                          Azure's v1 surface: `api-key`, uploads that are looked through first
    /mistral/v1/files, /batch/jobs        jobs of one model
    /v1beta/…, /upload/…, /download/…     Gemini's

Sources as in `passerelle.providers.batching`.
"""

import email
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests import upstream_answers as answers
from tests import upstream_openai as openai
from tests.upstream_batches import BatchUpstream, Body, Refused, There

_GROQ, _AZURE, _MISTRAL = "/groq", "/openai", "/mistral"
AZURE_BATCH_MODEL = "sol-batch"
_MISTRAL_ENDPOINTS = {
    "/v1/chat/completions": openai.chat,
    "/v1/embeddings": openai.embeddings,
}


@dataclass
class MoreBatches(BatchUpstream):
    """See the module."""

    looked: dict[str, int] = field(default_factory=dict)
    """How often Azure was asked whether an upload is ready: at first it is not."""

    def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, bytes]:
        try:
            said: Any
            if path.startswith(_GROQ):
                said = self._groq(method, path.removeprefix(_GROQ), headers, raw)
            elif path.startswith(_AZURE):
                if not headers.get("api-key"):
                    raise Refused(401, "no key")
                said = self._azure(method, path.removeprefix(_AZURE), headers, raw)
            elif path.startswith(_MISTRAL):
                said = self._mistral(method, path.removeprefix(_MISTRAL), headers, raw)
            elif path.startswith(("/v1beta", "/upload", "/download")):
                if not headers.get("x-goog-api-key"):
                    raise Refused(401, "no key")
                said = self._gemini(method, path, headers, raw)
            else:
                return super()._answer(method, path, headers, raw)
        except Refused as refused:
            return refused.status, json.dumps({"error": {"message": refused.message}}).encode()
        return 200, said if isinstance(said, bytes) else json.dumps(said).encode()

    def _groq(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Body | bytes:
        if "?" in path:
            raise Refused(400, "lists take no parameters")
        if (method, path) == ("GET", "/v1/files"):
            return {"object": "list", "data": [self._file(name) for name in self.files]}
        if (method, path) == ("GET", "/v1/batches"):
            return {"object": "list", "data": [self._shown(one) for one in self.batches.values()]}
        if (method, path) == ("POST", "/v1/batches"):
            assert json.loads(raw)["endpoint"] == "/v1/chat/completions"
        return self._openai(method, path, headers, raw)

    def _azure(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Body | bytes:
        name = path.removeprefix("/v1/files/")
        if method == "GET" and name in self.files:
            self.looked[name] = self.looked.get(name, 0) + 1
            return {**self._file(name), "status": "pending" if self.looked[name] == 1 else "processed"}
        if (method, path) == ("POST", "/v1/batches"):
            asked = json.loads(raw)
            if self.looked.get(asked["input_file_id"], 0) < 2:
                raise Refused(400, "the file is not processed yet")
            if asked["endpoint"] != "/chat/completions":
                raise Refused(400, "no such endpoint")
            content = self.files[asked["input_file_id"]][1].replace(b'"/chat/', b'"/v1/chat/')
            self.files[asked["input_file_id"]] = (self.files[asked["input_file_id"]][0], content)
            models = {json.loads(line)["body"]["model"] for line in content.splitlines()}
            if models != {AZURE_BATCH_MODEL}:
                raise Refused(400, f"{models} are no deployments for batches")
            raw = json.dumps({**asked, "endpoint": "/v1/chat/completions"}).encode()
        return self._openai(method, path, headers, raw)

    # --- Mistral's

    def _mistral(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Body | bytes:
        where, _, query = path.partition("?")
        said = {name: values[0] for name, values in parse_qs(query).items()}
        parts = where.removeprefix("/v1/").split("/")
        match method, parts:
            case "GET", ["files"]:
                assert said["purpose"] == "batch"
                return self._numbered([self._file(name) for name in self.files], said)
            case "POST", ["batch", "jobs"]:
                return self._job(self._make_job(json.loads(raw)))
            case "GET", ["batch", "jobs"]:
                assert said["created_after"]
                return self._numbered([self._job(one) for one in self.batches.values()], said)
            case "GET", ["batch", "jobs", name] if name in self.batches:
                self._work_job(self.batches[name])
                return self._job(self.batches[name])
            case "POST", ["batch", "jobs", name, "cancel"] if name in self.batches:
                self.batches[name].status = "CANCELLATION_REQUESTED"
                return self._job(self.batches[name])
            case "DELETE", ["batch", "jobs", name] if name in self.batches:
                del self.batches[name]
                self.deleted.append(name)
                return {"id": name, "object": "batch", "deleted": True}
            case _, ["files", *_] | ["chat", "completions"] | ["embeddings"]:
                return self._openai(method, path, headers, raw)
        raise Refused(404, f"no {method} {where}")

    def _numbered(self, rows: list[Body], said: dict[str, str]) -> Body:
        size = int(said["page_size"])
        start = int(said["page"]) * size
        return {"object": "list", "data": rows[start : start + size], "total": len(rows)}

    def _make_job(self, asked: Body) -> There:
        if asked.keys() - {"input_files", "endpoint", "model", "metadata", "timeout_hours"}:
            raise Refused(422, "unknown fields")
        (input_id,) = asked["input_files"]
        if asked["endpoint"] not in _MISTRAL_ENDPOINTS or input_id not in self.files:
            raise Refused(422, "no such endpoint or file")
        lines = []
        for text in self.files[input_id][1].splitlines():
            line = json.loads(text)
            assert line.keys() == {"custom_id", "body"}, line
            assert line["body"]["model"] == asked["model"], line
            lines.append((line["custom_id"], line["body"]))
        job = There(f"job-{next(self.made)}", asked["endpoint"], lines, input_id, "QUEUED")
        self.batches[job.id] = job
        return job

    def _work_job(self, job: There) -> None:
        stopped = job.status == "CANCELLATION_REQUESTED"
        if not stopped and not (self.ends and job.status in ("QUEUED", "RUNNING")):
            return
        rows: dict[str, list[Body]] = {"output": [], "error": []}
        for name, body in reversed(job.lines):
            found = self._of(body, _MISTRAL_ENDPOINTS[job.endpoint])
            if found is None:
                continue  # what it did not come to is in neither file
            response = {"status_code": found[0], "body": found[1]}
            row = {"id": f"r{name}", "custom_id": name, "response": response, "error": None}
            rows["output" if found[0] == 200 else "error"].append(row)
        for which, told in rows.items():
            if told:
                file = f"{job.id}-{which}"
                self.files[file] = file, "".join(json.dumps(row) + "\n" for row in told).encode()
                job.files[which] = file
        job.status = "CANCELLED" if stopped else "SUCCESS"

    def _job(self, job: There) -> Body:
        return {
            "id": job.id, "object": "batch", "input_files": [job.input_id], "endpoint": job.endpoint,
            "errors": [], "status": job.status, "created_at": 1, "total_requests": len(job.lines),
            "completed_requests": 0, "succeeded_requests": 0, "failed_requests": 0,
            "output_file": job.files.get("output"), "error_file": job.files.get("error"),
        }  # fmt: skip

    # --- Gemini's

    def _gemini(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Body | bytes:
        where, _, query = path.partition("?")
        kind, _, rest = where.strip("/").partition("v1beta/")
        match method, kind, rest.split("/"):
            case "POST", "upload/", ["files"]:
                return self._related(headers, raw)
            case "GET", "download/", ["files", name] if name.removesuffix(":download") in self.files:
                assert query == "alt=media"
                return self.files[name.removesuffix(":download")][1]
            case "GET", "", ["files"]:
                return {"files": [{"name": f"files/{n}", "displayName": f[0]} for n, f in self.files.items()]}
            case "DELETE", "", ["files", name] if name in self.files:
                if name.startswith("batch-"):
                    raise Refused(403, "it goes with its batch")
                del self.files[name]
                self.deleted.append(name)
                return {}
            case "POST", "", ["models", call] if call.endswith(":batchGenerateContent"):
                return self._operation(self._make_gemini(call.removesuffix(":batchGenerateContent"), raw))
            case "POST", "", ["models", call] if call.endswith(":generateContent"):
                body = json.loads(raw)
                self.asked.append(_said(body))
                return answers.gemini(path, body)
            case "GET", "", ["batches"]:
                return {"operations": [self._operation(one) for one in self.batches.values()]}
            case "GET", "", ["batches", name] if name in self.batches:
                self._work_gemini(self.batches[name])
                return self._operation(self.batches[name])
            case "POST", "", ["batches", name] if name.removesuffix(":cancel") in self.batches:
                self.batches[name.removesuffix(":cancel")].status = "CANCELLING"
                return {}
            case "DELETE", "", ["batches", name] if name in self.batches:
                self.files.pop(f"batch-{name}", None)
                del self.batches[name]
                self.deleted.append(name)
                return {}
        raise Refused(404, f"no {method} {where}")

    def _related(self, headers: dict[str, str], raw: bytes) -> Body:
        assert headers["x-goog-upload-protocol"] == "multipart"
        kind = headers["content-type"]
        assert kind.startswith("multipart/related"), kind
        form = email.message_from_bytes(b"content-type: %b\r\n\r\n%b" % (kind.encode(), raw))
        about, content = form.get_payload()
        told = json.loads(about.get_payload())["file"]
        assert told["mimeType"] == content.get_content_type() == "application/jsonl"
        name = f"in{next(self.made)}"
        self.files[name] = told["displayName"], content.get_payload(decode=True)
        return {"file": {"name": f"files/{name}", "displayName": told["displayName"]}}

    def _make_gemini(self, model: str, raw: bytes) -> There:
        asked = json.loads(raw)["batch"]
        name = asked["inputConfig"]["fileName"].removeprefix("files/")
        if name not in self.files or model == self.refuses:
            raise Refused(400, "no such file, or not this model")
        lines = []
        for text in self.files[name][1].splitlines():
            line = json.loads(text)
            assert line.keys() == {"key", "request"}, line
            assert line["request"]["contents"], line
            lines.append((line["key"], line["request"]))
        batch = There(f"b{next(self.made)}", model, lines, name, "RUNNING", asked["displayName"])
        self.batches[batch.id] = batch
        return batch

    def _work_gemini(self, batch: There) -> None:
        stopped = batch.status == "CANCELLING"
        if not stopped and not (self.ends and batch.status == "RUNNING"):
            return
        rows: list[Body] = []
        for key, body in reversed(batch.lines):
            found = (
                self._of(body, answers.gemini) if self.answers is None else self.answers(_said(body), body)
            )
            if found is None:
                rows.append({"key": key, "error": {"code": 1, "message": "cancelled"}})
            elif found[0] == 200:
                rows.append({"key": key, "response": answers.gemini("", body)})
            else:
                rows.append({"key": key, "error": {"code": found[0], "message": found[1]["message"]}})
        name = f"batch-{batch.id}"
        self.files[name] = name, "".join(json.dumps(row) + "\n" for row in rows).encode()
        batch.files["output"] = name
        batch.status = "CANCELLED" if stopped else "SUCCEEDED"

    def _operation(self, batch: There) -> Body:
        state = "RUNNING" if batch.status == "CANCELLING" else batch.status
        told: Body = {
            "name": f"batches/{batch.id}",
            "metadata": {"displayName": batch.metadata, "state": f"BATCH_STATE_{state}"},
        }
        if batch.files:
            told["done"] = True
            told["response"] = {"responsesFile": f"files/{batch.files['output']}"}
        return told


def _said(body: Body) -> str:
    return str(body["contents"][-1]["parts"][-1]["text"])
