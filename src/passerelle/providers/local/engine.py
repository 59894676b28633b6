"""The engine process: llama.cpp's own server on a loopback port, in a process that outlives nobody.

Run as `python -m passerelle.providers.local.engine`. The parent writes one line of JSON (`EngineSpec`) on
standard input, the key in it, so that neither arguments nor environment show it. The engine loads the
weights, says `Ready` in one line on standard output, and serves until its standard input ends: when the
parent dies, however it dies, the kernel closes that pipe. On Linux the kernel also kills it then
(`PR_SET_PDEATHSIG`), which covers the time when it is loading and not reading.

`xllamacpp` is imported only here: `Server(CommonParams)` runs llama.cpp's HTTP server in native threads
(github.com/xorbitsai/xllamacpp, parameters as in version 2026.10.11549).
"""

import contextlib
import os
import signal
import sys

import msgspec

READY_PREFIX = b"passerelle-engine "
"""Begins the one line on standard output that is ours: a library may print others."""


class EngineSpec(msgspec.Struct, frozen=True):
    """What to run."""

    weights: str
    model: str
    key: str
    """Demanded from every caller of the port: other users of the machine can reach loopback too."""
    threads: int
    context_tokens: int
    slots: int
    embeddings: bool
    http_threads: int


class Ready(msgspec.Struct, frozen=True):
    """Said once, when calls may come."""

    address: str
    """`http://127.0.0.1:PORT`."""
    pid: int


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends. Linux only; best effort."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        # prctl(2): PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def serve(spec: EngineSpec) -> Ready:
    """Load the weights and listen. Returns when calls may come; the server runs in its own threads."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = spec.weights
    params.model_alias = {spec.model}
    params.api_keys = [spec.key]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = spec.threads
    params.cpuparams_batch.n_threads = spec.threads
    params.n_parallel = spec.slots
    params.n_ctx = spec.context_tokens * spec.slots  # llama.cpp shares it out among the slots
    params.n_threads_http = spec.http_threads
    params.cache_ram_mib = 0  # its default keeps up to 8 GiB of old prompts
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = ""
    params.verbosity = 1  # errors only
    if spec.embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    _servers.append(server)
    return Ready(server.listening_address, os.getpid())


_servers: list[object] = []
"""Keeps the server alive as long as the process."""


def main() -> int:
    """Run the engine until standard input ends."""
    parent = os.getppid()
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's; it ends us when it has drained
    spec = msgspec.json.decode(sys.stdin.buffer.readline(), type=EngineSpec)
    ready = serve(spec)
    sys.stdout.buffer.write(READY_PREFIX + msgspec.json.encode(ready) + b"\n")
    sys.stdout.buffer.flush()
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)  # native threads may be in the middle of a generation: nothing here needs an orderly end


if __name__ == "__main__":
    sys.exit(main())
