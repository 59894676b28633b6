"""Black Forest Labs, replayed: jobs that wait once before they end as their prompt says."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "upstream-credential-of-bfl-0123456789abcdef"
PICTURE = b"\xff\xd8\xff replayed picture"
_ENDS = {
    "a moderated bridge": "Content Moderated",
    "a broken bridge": "Error",
    "a lost bridge": "Task not found",
}


@dataclass
class Labs:
    """The provider; use as a context manager."""

    seen: list[tuple[str, str, str | None, Any]] = field(default_factory=list)
    """Method, path, key and body of each request."""
    billed: dict[str, float] = field(default_factory=lambda: {"cost": 4, "input_mp": 0, "output_mp": 0.79})
    """What it says of a job's price."""
    elsewhere: str | None = None
    """Send callers there for the picture of `a stolen bridge`."""

    def __enter__(self) -> "Labs":
        labs = self
        asked: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                labs.seen.append(("POST", self.path, self.headers.get("x-key"), body))
                if self.headers.get("x-key") != KEY:
                    self._say(403, {"detail": "Not authenticated"})
                    return
                job = str(len(asked)) + "~" + body["prompt"].replace(" ", "_")
                asked[job] = 0
                answer = {"id": job, "polling_url": f"{labs.base_url}/v1/get_result?id={job}"}
                self._say(200, answer | labs.billed)

            def do_GET(self) -> None:
                labs.seen.append(("GET", self.path, self.headers.get("x-key"), None))
                if self.path.startswith("/delivery/"):
                    self._send(200, "image/jpeg", PICTURE)
                    return
                job = self.path.partition("id=")[2]
                asked[job] += 1
                prompt = job.partition("~")[2].replace("_", " ")
                if asked[job] == 1 or prompt == "an endless bridge":
                    self._say(200, {"id": job, "status": "Pending", "result": None})
                    return
                place = labs.elsewhere if prompt == "a stolen bridge" else None
                sample = place or f"{labs.base_url}/delivery/{len(job)}.jpeg?sig=abc"
                status = _ENDS.get(prompt, "Ready")
                result = {"sample": sample} if status == "Ready" else None
                self._say(200, {"id": job, "status": status, "result": result})

            def log_message(self, *_: object) -> None:
                pass

            def _say(self, status: int, value: object) -> None:
                self._send(status, "application/json", json.dumps(value).encode())

            def _send(self, status: int, kind: str, data: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
