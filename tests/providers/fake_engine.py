"""A stand-in for the engine process: the same protocol on its pipes, a tiny HTTP server instead of a model.

Behaves by the model's name: `mute` never says it is ready, `broken` ends at once with words on standard
error, `deaf` says it is ready and does not answer, `fragile` dies at its third call, `hang` never
answers calls; anything else answers them.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

spec = json.loads(sys.stdin.buffer.readline())
mode = spec["model"]
calls = 0
if mode == "broken":
    print("gguf: bad magic", file=sys.stderr)
    sys.exit(3)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self._say(200 if self.headers["authorization"] == f"Bearer {spec['key']}" else 401, {"data": []})

    def do_POST(self):
        global calls
        calls += 1
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != f"Bearer {spec['key']}":
            self._say(401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}})
            return
        if mode == "hang":
            time.sleep(60)
        if mode == "fragile" and calls >= 3:
            os._exit(9)
        self._say(200, {"model": mode, "pid": os.getpid(), "path": self.path, "asked": asked})

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
if mode == "deaf":
    server.shutdown()
    server.server_close()
if mode != "mute":
    ready = {"address": f"http://127.0.0.1:{server.server_address[1]}", "pid": os.getpid()}
    print("some library prints this first")
    print("passerelle-engine " + json.dumps(ready), flush=True)
sys.stderr.write("noise\n" * 50_000)  # more than a pipe holds: somebody must read it
sys.stdin.buffer.read()
os._exit(0)
