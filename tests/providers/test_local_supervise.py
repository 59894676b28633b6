"""The supervisor and the provider, over real processes and sockets, with a stand-in for the engine."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from passerelle.core.model import Deployment, Model
from passerelle.providers.base import Call, Deadlines, SendError
from passerelle.providers.build import local_client
from passerelle.providers.local.options import LocalOptions, fingerprint
from passerelle.providers.local.provider import MAX_TIMEOUTS, LocalProvider
from passerelle.providers.local.supervise import Supervisor

FAKE = (sys.executable, str(Path(__file__).parent / "fake_engine.py"))
DEPLOYMENT = Deployment("local/x", Model("x", "x", "x"), "local", "x", "openai_chat")

Make = Callable[..., Supervisor]


def call(**changes: object) -> Call:
    made = Call(DEPLOYMENT, "chat", b'{"messages":[]}', False, "openai_chat", remaining_s=10.0)
    return msgspec.structs.replace(made, **changes)


def options(folder: Path, model: str = "obliging", **changes: object) -> LocalOptions:
    weights = folder / "weights.gguf"
    if not weights.exists():
        weights.write_bytes(b"GGUF")
    made = LocalOptions(folder, weights, model, start_s=10.0)
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Supervisor] = []

    def supervisor(model: str = "obliging", **changes: object) -> Supervisor:
        made.append(Supervisor(options(tmp_path, model, **changes), command=FAKE, first_pause_s=0.05))
        return made[-1]

    yield supervisor
    await asyncio.gather(*(one.aclose() for one in made))


def provider(supervisor: Supervisor, **changes: object) -> LocalProvider:
    settings = msgspec.structs.replace(supervisor._options, **changes)
    return LocalProvider(
        "local", settings, make_client=lambda url: local_client(url, settings), supervisor=supervisor
    )


async def answered(local: LocalProvider, sent: Call | None = None) -> dict[str, object]:
    reply = await local.send(sent or call())
    try:
        assert reply.status == 200
        return msgspec.json.decode(await reply.read())
    finally:
        await reply.aclose()


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # another process is being watched: it has no event for us


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def holding(secret: bytes, folder: Path, pid: int) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    files += [path for name in ("cmdline", "environ") if (path := Path(f"/proc/{pid}/{name}")).exists()]
    return [path for path in files if secret in path.read_bytes()]


async def test_the_engine_starts_on_demand_and_stops_with_us(make: Make) -> None:
    supervisor = make()
    endpoints = await asyncio.gather(*(supervisor.endpoint() for _ in range(5)))
    assert len({one.pid for one in endpoints}) == 1
    assert supervisor.supervising
    await supervisor.aclose()
    await until(lambda: not alive(endpoints[0].pid))
    with pytest.raises(SendError) as error:
        await supervisor.endpoint()
    assert error.value.failure == "cancelled"


async def test_the_key_is_in_no_argument_environment_or_readable_file(make: Make, tmp_path: Path) -> None:
    endpoint = await make().endpoint()
    shown = holding(endpoint.key.encode(), tmp_path, endpoint.pid)
    assert [path.name for path in shown] == ["endpoint"]
    assert stat.S_IMODE(shown[0].stat().st_mode) == 0o600
    assert endpoint.key not in repr(endpoint)


async def test_a_second_worker_uses_the_first_ones_engine_and_takes_over_from_it(make: Make) -> None:
    first, second = make(), make()
    one = await first.endpoint()
    assert await second.endpoint() == one
    assert not second.supervising
    await first.aclose()
    other = await second.endpoint()
    assert second.supervising
    assert other.pid != one.pid


async def test_other_settings_mean_another_engine(make: Make) -> None:
    one, two = make(), make(context_tokens=512)
    assert (await one.endpoint()).pid != (await two.endpoint()).pid
    assert one.supervising
    assert two.supervising


async def test_a_crashed_engine_is_started_again(make: Make) -> None:
    supervisor = make()
    first = await supervisor.endpoint()
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: supervisor.restarts == 1)
    again = await supervisor.endpoint()
    assert again.pid != first.pid
    assert again.key != first.key


async def test_calls_between_a_crash_and_the_next_start_are_told_at_once(make: Make) -> None:
    supervisor = make()
    os.kill((await supervisor.endpoint()).pid, signal.SIGKILL)
    await until(lambda: supervisor._endpoint is None)
    with pytest.raises(SendError) as error:
        await supervisor.endpoint()
    assert error.value.failure == "overloaded"
    assert not error.value.sent


@pytest.mark.parametrize(
    ("model", "failure", "words"),
    [
        ("broken", "server_error", "gguf: bad magic"),
        ("mute", "timeout", "not ready in 0.3 s"),
        ("deaf", "server_error", "does not answer"),
    ],
)
async def test_an_engine_that_cannot_start_says_why(make: Make, model: str, failure: str, words: str) -> None:
    supervisor = make(model, start_s=0.3 if model == "mute" else 10.0)
    with pytest.raises(SendError, match=words) as error:
        await supervisor.endpoint()
    assert error.value.failure == failure
    assert not supervisor.supervising


async def test_a_failed_start_is_not_repeated_for_every_call(make: Make) -> None:
    supervisor = make("broken")
    supervisor._pause_s = 60.0
    for _ in range(3):
        with pytest.raises(SendError, match="bad magic"):
            await supervisor.endpoint()
    assert supervisor._finding is None


async def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    supervisor = Supervisor(LocalOptions(tmp_path), command=FAKE)
    with pytest.raises(SendError, match="passerelle local install") as error:
        await supervisor.endpoint()
    assert error.value.failure == "not_found"
    await supervisor.aclose()


async def test_the_engine_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    settings = options(tmp_path)
    script = (
        "import asyncio, sys, msgspec, pathlib\n"
        "from passerelle.providers.local.options import LocalOptions\n"
        "from passerelle.providers.local.supervise import Supervisor\n"
        "async def main():\n"
        "    options = LocalOptions(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 'obliging')\n"
        "    print((await Supervisor(options, command=sys.argv[3:]).endpoint()).pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), str(settings.weights), *FAKE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    engine = int(await worker.stdout.readline())
    other = Supervisor(settings, command=FAKE)
    assert (await other.endpoint()).pid == engine
    worker.kill()
    await worker.wait()
    await until(lambda: not alive(engine))
    local = provider(other)
    with contextlib.suppress(SendError):  # nobody told this worker: a first call may find out
        await answered(local)
    assert (await answered(local))["model"] == "obliging"
    assert other.supervising
    await local.aclose()


async def test_calls_are_answered_under_the_true_model_name(make: Make) -> None:
    local = provider(make("smollm"))
    said = await answered(local)
    assert said["model"] == "smollm"
    assert said["path"] == "/v1/chat/completions"
    assert said["asked"] == {"messages": []}
    await local.aclose()


async def test_calls_beyond_the_queue_are_refused_as_overloaded(make: Make) -> None:
    local = provider(make("hang"), max_queue=1)
    await local.start()
    short = call(deadlines=Deadlines(headers_s=1.0), remaining_s=1.0)
    found = await asyncio.gather(*(local.send(short) for _ in range(4)), return_exceptions=True)
    kinds = [error.failure for error in found if isinstance(error, SendError)]
    assert any("`max_queue`" in str(error) for error in found)
    assert len(kinds) == 4
    assert kinds.count("overloaded") >= 2
    assert "timeout" in kinds
    await local.aclose()


async def test_a_stuck_engine_is_killed_and_replaced(make: Make) -> None:
    supervisor = make("hang")
    local = provider(supervisor)
    first = await supervisor.endpoint()
    for _ in range(MAX_TIMEOUTS):
        with pytest.raises(SendError) as error:
            await local.send(call(deadlines=Deadlines(headers_s=0.2)))
        assert error.value.failure == "timeout"
    await until(lambda: supervisor.restarts == 1)
    assert (await supervisor.endpoint()).pid != first.pid
    await local.aclose()


async def test_a_dialect_the_engine_does_not_speak_is_refused_before_it_is_sent(make: Make) -> None:
    local = provider(make())
    with pytest.raises(SendError) as error:
        await local.send(call(dialect="openai_responses"))
    assert (error.value.failure, error.value.sent) == ("not_found", False)
    assert local.supports("chat", DEPLOYMENT)
    assert not local.supports("embed", DEPLOYMENT)
    assert provider(make(), embeddings=True).supports("embed", DEPLOYMENT)
    await local.aclose()


def test_settings_that_change_the_engine_change_its_fingerprint(tmp_path: Path) -> None:
    base = options(tmp_path)
    assert fingerprint(base) == fingerprint(options(tmp_path, max_queue=99))
    changed = [options(tmp_path, threads=2), options(tmp_path, slots=2), options(tmp_path, "other")]
    assert len({fingerprint(one) for one in [base, *changed]}) == 4


def test_the_models_name_comes_from_its_file_unless_said(tmp_path: Path) -> None:
    assert LocalOptions(tmp_path).model_name == "smollm2-135m-instruct"
    assert LocalOptions(tmp_path, Path("/x/Qwen3-4B-Q4.gguf")).model_name == "qwen3-4b-q4"
    assert LocalOptions(tmp_path, Path("/x/a.gguf"), "mine").model_name == "mine"
