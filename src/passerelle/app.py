"""The composition root: Settings → App. The one place where real parts are joined."""

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import random
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from passerelle.catalog import ENDING, build
from passerelle.config import ConfigError, PolicySettings, RouterSettings, Settings, load_settings
from passerelle.config.document import stamp
from passerelle.config.findings import errors_in
from passerelle.core.clock import Clock, SystemClock
from passerelle.core.plan import Onward
from passerelle.core.principal import Rights
from passerelle.gateway.attached import Attacher
from passerelle.gateway.attempt import Engine
from passerelle.gateway.background.begin import Beginner
from passerelle.gateway.background.runner import BackgroundRunner
from passerelle.gateway.batch.run import Rules
from passerelle.gateway.batch.runner import Runner
from passerelle.gateway.charts import Charts
from passerelle.gateway.counters import SharedCounters
from passerelle.gateway.generation import (
    DeliveryRules,
    Generation,
    Generations,
    Intake,
    ReloadOutcome,
    ReloadRefused,
)
from passerelle.gateway.holds import Holds
from passerelle.gateway.keep import Recall
from passerelle.gateway.limits import Limits
from passerelle.gateway.road import Road
from passerelle.gateway.settle import Settler
from passerelle.gateway.smart import RouterRules
from passerelle.gateway.vitals import Vitals
from passerelle.policy.rules import Demands, Policy, compile_policy
from passerelle.providers.base import Deadlines, Provider
from passerelle.providers.build import build_provider
from passerelle.providers.configured import configured
from passerelle.router.health import Rules as HealthRules
from passerelle.server import health, hello
from passerelle.server.app import Entrance
from passerelle.server.call import ModelCalls
from passerelle.server.listen import Listener
from passerelle.server.models import ModelList
from passerelle.server.repeats import Repeats
from passerelle.server.route import Management
from passerelle.server.v1 import anthropic, batches, bedrock, files, gemini, message_batches, openai
from passerelle.server.v1.conversations import Conversations
from passerelle.server.v1.gemini_batches import GeminiBatches
from passerelle.server.v1.responses import Responses
from passerelle.store import Store, default_url, open_store
from passerelle.telemetry import logs, trace
from passerelle.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from passerelle.gateway.judgement import Judgement

log = logging.getLogger("passerelle.app")
_LOOK_EVERY_S = 1.0
_COUNT_TASKS_EVERY_S = 10.0
_AT_THE_START = (
    "data_dir", "store.url", "files", "batches", "background", "server.host", "server.port", "server.workers",
    "server.allow_public_bind", "server.public_url", "server.tls_cert", "server.tls_key", "server.drain_s",
    "telemetry.log_level", "telemetry.log_format", "telemetry.metrics", "telemetry.otlp_endpoint",
)  # fmt: skip
"""Settings that are read once; `docs/operations.md` lists them."""


class Source(msgspec.Struct):
    """Where the configuration comes from, so that it can be read again."""

    config: Path | None
    env: Mapping[str, str]
    overrides: Mapping[str, object]
    last: Settings | None = None
    """What `read` gave last."""

    def read(self) -> Settings:
        """The settings as they are now. Raises `ConfigError`."""
        self.last = load_settings(self.config, self.env, self.overrides)
        return self.last


class App:
    """One worker: everything joined, ready to be served."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        *,
        clock: Clock | None = None,
        counters: SharedCounters | None = None,
        charts: Charts | None = None,
    ) -> None:
        """Opens the store and builds the first generation. `counters` (of limits) and `charts` (of health)
        are those that this host's workers share. Raises `ConfigError`, `StoreUnavailable`.
        """
        self.clock: Clock = clock or SystemClock()
        self.source = source
        self.settings = settings
        self.worker = f"{os.getpid()}-{os.urandom(3).hex()}"
        self.metrics = Metrics()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        url = settings.database_url or default_url(settings.data_dir)
        self.store: Store = open_store(url, settings.data_dir, clock=self.clock, worker=self.worker)
        self._exporter = trace.exporter(self.worker, settings.telemetry.otlp_endpoint)
        first = build_generation(settings, None, self.store)
        self.generations = Generations(
            first, partial(_next_generation, source, self.store), self._needs_restart
        )
        self.vitals = Vitals(self.metrics, self.clock, random.random, charts=charts, rules=first.health)
        settler = Settler(
            self.store,
            self.metrics,
            self.clock,
            self.store.pepper,
            None if self._exporter is None else self._exporter[0],
        )
        engine = Engine(self.store, settler, self.vitals, Holds(self.store), self.clock, random.random)
        self.road = Road(
            generations=self.generations,
            store=self.store,
            engine=engine,
            settler=settler,
            vitals=self.vitals,
            limits=Limits(clock=self.clock, counters=counters),
            clock=self.clock,
            draw=random.random,
            attacher=Attacher(self.store),
            judging=self._judging,
        )
        self.repeats = Repeats(self.store, settler, self.generations)
        self.draining: Callable[[], bool] = lambda: False
        self.batch_rules = Rules(settings.files, settings.batches, settings.server.max_body_bytes)
        self.batches = Runner(
            self.road,
            self.store,
            self.clock,
            self.batch_rules,
            settler,
            random.random,
            draining=lambda: self.draining(),
        )
        self.recall = Recall(self.store, self.generations)
        self.background = BackgroundRunner(
            self.road,
            self.recall,
            self.store,
            self.clock,
            settings.background,
            random.random,
            draining=lambda: self.draining(),
        )
        self._count_tasks_at_s = 0.0
        self._api: Management | None = None
        self._building_api = asyncio.Lock()
        self.entrance = self._entrance()

    async def reload(self) -> ReloadOutcome:
        """Read the configuration again and swap it in if it is whole."""
        return await self.generations.reload()

    def _needs_restart(self) -> tuple[str, ...]:
        """The settings that were changed since the start and are read then only."""
        if self.source.last is None:
            return ()
        then, now = self.settings, self.source.last
        return tuple(name for name in _AT_THE_START if _setting(then, name) != _setting(now, name))

    def measure(self) -> None:
        """Bring this worker's gauges up to date: once a second, since any worker may be the one scraped."""
        self.metrics.in_flight.set(self.road.in_flight)
        self.metrics.writer_queue.set(self.store.journal.backlog)
        now_s = self.clock.monotonic_s()
        if now_s >= self._count_tasks_at_s:  # some milliseconds where there are 10,000
            self._count_tasks_at_s = now_s + _COUNT_TASKS_EVERY_S
            self.metrics.tasks.set(len(asyncio.all_tasks()))
        generation = self.generations.current
        self.metrics.generation.set(generation.number)
        if self.vitals.rules != generation.health:
            self.vitals.follow(generation.health)
        self.vitals.measure(generation.catalog.deployments)
        self.metrics.fold()

    def _judging(self) -> "Judgement":
        """Who predicts quality, made when a choice is first left to us: numpy is not imported before."""
        from passerelle.gateway.learning.learned import Learned

        return Learned(self.store, self.clock, self.worker)

    async def aclose(self) -> None:
        """Close providers, flush and close the store, flush telemetry."""
        await self.repeats.aclose()
        await self.road.aclose()
        await self.generations.aclose()
        await asyncio.to_thread(self.store.close)
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter[1])

    def _entrance(self) -> Entrance:
        calls = ModelCalls(self.road, self.clock, self.repeats, self.metrics)
        models = ModelList(self.generations)
        wake, rules = self.batches.wake, self.batch_rules
        geminis = GeminiBatches(self.store, self.clock, rules, wake, self.generations)
        beginner = Beginner(
            self.road, self.recall, self.store, self.settings.background, self.background.wake
        )
        return Entrance(
            (
                *openai.routes(calls, models, self.recall),
                *Responses(self.store, calls, self.recall, beginner, self.background.wake).routes(),
                *Conversations(self.store, self.generations, self.clock).routes(),
                *anthropic.routes(calls),
                *bedrock.routes(calls),
                *gemini.routes(calls, models, geminis),
                *files.routes(self.store, self.clock, self.batch_rules),
                *batches.routes(self.store, self.clock, rules, wake, geminis),
                *message_batches.routes(
                    self.store,
                    self.clock,
                    self.batch_rules,
                    self.batches.wake,
                    self.settings.server.public_url,
                ),
                *hello.routes(),
                *health.routes(
                    self.store,
                    self.generations,
                    self.metrics if self.settings.telemetry.metrics else None,
                    self.measure,
                    lambda: self.draining(),
                ),
            ),
            self._management,
            self.store,
            self.metrics,
            self.generations,
            self.road,
        )

    async def _management(self) -> Management:
        """The `/api` application, imported and built when it is first asked for."""
        if self._api is None:
            async with self._building_api:
                if self._api is None:
                    self._api = await asyncio.to_thread(self._build_api)
        return self._api

    def _build_api(self) -> Management:
        # FastAPI costs half a second and 17 MiB to import: nobody pays who does not use it.
        from passerelle.server.api import Context, build

        return build(Context(self.store, self.generations, self.vitals, self.reload, self.clock, self.road))


async def serve(app: App, sock: socket.socket, on_ready: Callable[[], None] | None = None) -> None:
    """Serve `app` on `sock` until SIGTERM or SIGINT, following its configuration, then close it.

    `on_ready` is called once requests are taken.
    """
    server = app.settings.server
    listener = Listener(
        app.entrance,
        sock,
        drain_s=server.drain_s,
        tls_cert=None if server.tls_cert is None else str(server.tls_cert),
        tls_key=None if server.tls_key is None else str(server.tls_key),
    )
    app.draining = lambda: listener.draining
    hangup = asyncio.Event()
    following = asyncio.create_task(_follow(app, hangup))
    app.batches.start()
    app.background.start()
    # What is alive now lives as long as the process: it need not be looked at again. A request leaves no
    # cycles behind, so collecting every 700 allocations only costs (a tenth of the hop, measured).
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)

    def announce() -> None:
        log.info("ready", extra={"generation": app.generations.current.label})
        if on_ready is not None:
            on_ready()

    logs.by_turns(asyncio.get_running_loop().call_soon)
    try:
        await listener.run(on_hangup=hangup.set, on_ready=announce)
    finally:
        following.cancel()
        drained_s = asyncio.get_running_loop().time() - listener.draining_since_s
        left_s = max(0.0, server.drain_s - drained_s)
        await asyncio.gather(app.batches.stop(left_s), app.background.stop(left_s))
        await app.aclose()
        logs.by_turns(None)


async def _follow(app: App, hangup: asyncio.Event) -> None:
    """Reload on SIGHUP, when the configuration file changes, and when a day begins: prices have dates."""
    seen = app.settings.origin.stamp  # of the reading: an edit while this worker started is not missed
    day = datetime.now(UTC).date()
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hangup.wait(), _LOOK_EVERY_S)
        app.measure()
        await app.road.tend()
        now = None if app.source.config is None else stamp(app.source.config)
        today = datetime.now(UTC).date()
        if not hangup.is_set() and now == seen and today == day:
            continue
        hangup.clear()
        seen, day = now, today
        outcome = await app.reload()
        if not outcome.ok:
            log.error(
                "configuration refused; the last good generation stays",
                extra={"generation": outcome.generation, "findings": list(outcome.findings)},
            )
        elif outcome.changed:
            log.warning("configuration in force", extra={"generation": outcome.generation})
        if outcome.needs_restart:
            log.warning("changed settings need a restart", extra={"settings": list(outcome.needs_restart)})


def build_generation(settings: Settings, before: Generation | None, store: Store) -> Generation:
    """The whole generation of `settings`. Providers whose entry did not change keep their connections.

    Raises `ConfigError` with every mistake found.
    """
    return generation_of(settings, before, store.generations.number_unless_down)


def generation_of(
    settings: Settings, before: Generation | None, number_of: Callable[[str], int]
) -> Generation:
    """As `build_generation`, with the number that `number_of(digest)` gives: a configuration that is only
    supposed gets none of the installation's.
    """
    built = build(settings)
    if errors_in(built.findings):
        raise ConfigError(built.findings)
    for finding in built.findings:
        if finding.code == ENDING:
            log.warning("a model ends soon", extra={"finding": str(finding)})
    catalog = built.catalog
    policy = policy_of(settings.policy)
    providers: dict[str, Provider] = {}
    entries = {name: configured(name, settings) for name in settings.providers}
    for name, entry in entries.items():
        kept = None if before is None else before.providers.get(name)
        same = before is not None and before.entries.get(name) == entry.identity
        providers[name] = kept if kept is not None and same else build_provider(entry.entry)
    digest = hashlib.sha256(f"{settings.digest}|{catalog.version}".encode()).hexdigest()
    return Generation(
        number=number_of(digest),
        digest=digest,
        catalog=catalog,
        policy=policy,
        providers=providers,
        deadlines={name: _deadlines(settings, name) for name in settings.providers},
        router=_router(settings),
        onward=_onward(settings.router),
        default_rights=msgspec.convert(settings.limits.model_dump(), Rights),
        health=msgspec.convert(settings.health.model_dump(), HealthRules),
        conversation_days=settings.store.conversation_days,
        entries={name: entry.identity for name, entry in entries.items()},
        delivery=msgspec.convert(settings.delivery.model_dump(), DeliveryRules),
        drained=frozenset(name for name, said in settings.providers.items() if said.on_disconnect == "drain"),
        intake=Intake(
            settings.server.max_body_bytes,
            settings.server.max_in_flight,
            frozenset(host.lower().encode() for host in settings.server.allowed_hosts),
            settings.server.max_in_flight_per_tenant,
        ),
    )


def _router(settings: Settings) -> RouterRules:
    """How a choice is made, as the gateway reads it: names are compared without their case."""
    said = settings.router.model_dump(exclude={"names", "on_context_length", "on_refusal"})
    said["aliases"] = _folded(said["aliases"])
    for tenant in said["organisations"].values():
        tenant["aliases"] = _folded(tenant["aliases"])
    said["commitments"] = [one.model_dump() for one in settings.commitments]
    return msgspec.convert(said, RouterRules)


def _folded(said: Mapping[str, object]) -> dict[str, object]:
    return {name.casefold(): value for name, value in said.items()}


def _onward(router: RouterSettings) -> dict[str, Onward]:
    """By the names they are said for; `""` is said for all others."""
    usual = Onward(router.on_context_length, router.on_refusal)
    named = {
        name.casefold(): Onward(
            said.on_context_length or usual.on_context_length, said.on_refusal or usual.on_refusal
        )
        for name, said in router.names.items()
    }
    return {"": usual, **named}


def _next_generation(source: Source, store: Store, before: Generation) -> Generation:
    """For `Generations`: the generation of the configuration as it is now, or `before` if nothing changed."""
    try:
        after = build_generation(source.read(), before, store)
    except ConfigError as error:
        raise ReloadRefused(tuple(str(finding) for finding in error.findings)) from error
    return before if (after.digest, after.intake) == (before.digest, before.intake) else after


def _setting(settings: Settings, name: str) -> object:
    """The value at a dotted name."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def policy_of(settings: PolicySettings) -> Policy:
    """The compiled policy of its written form."""
    classes = {
        data_class: msgspec.convert(rules.model_dump(), Demands)
        for data_class, rules in settings.classes.items()
    }
    version = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
    return compile_policy(classes, default=settings.default_data_class, version=version)


def _deadlines(settings: Settings, provider: str) -> Deadlines:
    return msgspec.convert(settings.deadlines_for(provider).model_dump(), Deadlines)
