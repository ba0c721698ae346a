"""Where the concrete classes meet: from settings to a running worker.

The only file that names implementations. Two gateways fit in one process: nothing here is global.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Final

from gateway.admin_face import AdminFace
from gateway.api.asgi import Application, build_asgi
from gateway.api.openai import Connection
from gateway.api.plane import DataPlane, Limits, either
from gateway.api.turn_share import TurnShare
from gateway.backends.http1 import Http1Backend
from gateway.backends.sagemaker import SageMakerBackend
from gateway.core import measures
from gateway.core.audit_chain import Head
from gateway.core.burst import part_of
from gateway.core.controls import Order
from gateway.core.exchange import Patience
from gateway.core.facts import Tenant
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.detect.memo import MemoStore
from gateway.detect.scanner import build_scanner
from gateway.generations import Generations
from gateway.parts import (
    backend_of,
    budget_desk_of,
    full_scanner_of,
    models_of,
    pollers_of,
    reply_cache_of,
    shadow_of,
    shut_by_capture,
    tls_of,
    watched_of,
)
from gateway.pipeline import Pipeline
from gateway.ports import FullScanner, Scanner
from gateway.runtime import readings, refusal_book
from gateway.runtime.admission import Admission
from gateway.runtime.audit import AuditLog
from gateway.runtime.board import Board, Bookkeeper
from gateway.runtime.bundles import Bundle
from gateway.runtime.controls import ControlDesk
from gateway.runtime.credentials import Credentials
from gateway.runtime.dispatch import Dispatcher
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.forward import Door, Forwarder
from gateway.runtime.instruments import Instruments
from gateway.runtime.keyring import Purpose
from gateway.runtime.lifeline import InForce, Told
from gateway.runtime.live_canary import live_canary_of
from gateway.runtime.mint import Mint, new_key
from gateway.runtime.mirror import Mirrors
from gateway.runtime.origins import origin_of
from gateway.runtime.quotas import Quotas
from gateway.runtime.staying import Staying
from gateway.runtime.warm_up_book import WarmUpBook
from gateway.runtime.warm_ups import WarmUps
from gateway.settings import Settings
from gateway.stores.connections import Connections
from gateway.stores.quotas import quota_store
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.replies import reply_store
from gateway.telemetry import EventLog
from gateway.world import World

log = EventLog(__name__)

TICK_S: Final = 0.25
SCAN_THREADS: Final = 2


class Worker:
    """One worker process's parts. `run` serves until `stop` is set, then drains.

    `certificate` is the hash of what proves the bundle: the caller has checked it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        number: int,
        on_head: Callable[[Head], None] = lambda _: None,
        scanner: Scanner | None = None,
        full_scanner: FullScanner | None = None,
        certificate: str = "",
        world: World | None = None,
        ask: Callable[[int, Order], bool] | None = None,
        board: Board | None = None,
        place: int = 0,
    ) -> None:
        self._settings = settings
        self._number = number
        self._keyring = settings.keyring()
        world = world or World()
        self._clock, chance = world.clock, world.chance
        self._executor = world.executor or ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        gateway = settings.gateway
        scanner = scanner or build_scanner(settings.bundle.policy.markers, settings.bundle.recognizers)
        bundle = settings.bundle.with_scanner(scanner.digest)
        policy = bundle.policy
        self._audit = world.audit or AuditLog(
            settings.state_dir / "audit",
            number,
            self._keyring,
            self._clock,
            buffer=gateway.audit_buffer,
            on_head=on_head,
        )
        self._backends: Mapping[str, Http1Backend | SageMakerBackend] = {
            pool.name: backend_of(pool, settings) for pool in bundle.topology.pools
        }
        pools, most = bundle.topology.pools, bundle.topology.most_in_cloud
        most = part_of(most, gateway.workers, number) if most is not None else None
        self._admission = Admission(pools, self._clock, most_in_cloud=most)
        names = [pool.name for pool in pools]
        self._desk = ControlDesk(self._admission, self._audit, self._clock, pools=names, ask=ask)
        self._instruments = Instruments(bundle.topology, policy.order, bundle.prices.currency)
        self._books = Bookkeeper(self._instruments, self._clock, number=place, board=board)
        self._lateness = self._instruments.meter(measures.LATENESS)
        self._credentials = Credentials(bundle, self._keyring, self._clock, gateway, settings.directory)
        self._stores = Connections.of(settings.stores, lambda name: self._instruments.meter(measures.STORE, name))
        self._quota_store = quota_store(
            self._stores.state, self._clock, workers=gateway.workers, replicas=gateway.replicas, number=number
        )
        self._quotas = Quotas(self._quota_store, bundle.prices)
        self._budget = budget_desk_of(settings, self._quota_store, self._clock, number, self._admission.spend)
        self._memo = MemoStore()
        # None where the policy asks for no models: nothing is loaded that nobody needs.
        self._models = models_of(settings) if full_scanner is None else None
        self._full_scanner = full_scanner or full_scanner_of(settings, self._models, self._executor)
        self._activations = 0
        self._in_force: InForce | None = None
        self._refusals = refusal_book.Recorder(self._audit.refused)
        self._endpoints = Endpoints(
            bundle.topology, policy.zones, self._clock, chance=chance, shut=shut_by_capture(self._clouds())
        )
        self._pollers = pollers_of(settings, self._backends, self._endpoints, self._admission.press, chance)
        key = new_key()
        digest = self._keyring.keyed_hash(Purpose.MESSAGES)

        def digest_of(message: Message) -> str:
            return digest.digest(message.target + b"\n" + message.body).hex()

        self._mirrors = Mirrors(bundle.topology, self._admission, self._audit, self._clock, chance)
        dispatcher = Dispatcher(
            topology=bundle.topology,
            zones=policy.zones,
            admission=self._admission,
            mint=Mint(key, self._clock, policy.zones),
            forwarder=Forwarder(
                Door(key, self._clock, self._epoch),
                backends=self._backends,
                zones=policy.zones,
                top=policy.order.top,
                rescan=self._rescan,
            ),
            audit=self._audit,
            clock=self._clock,
            salt_of=self._keyring.cache_salt,
            digest_of=digest_of,
            epoch=self._epoch,
            draw=chance,
            endpoints=self._endpoints,
            prefix_key=self._keyring.keyed_hash(Purpose.BALANCE),
            budget=self._budget if bundle.budget is not None else None,
            mirrors=self._mirrors,
        )
        self._replies = reply_store(
            self._stores.state,
            self._keyring.keyed_hash(Purpose.TAINT_STORE),
            self._clock,
            folder=settings.state_dir,
            ttl_s=gateway.history_s,
            workers=gateway.workers,
        )
        self._cache = reply_cache_of(settings, bundle, self._keyring, self._clock, chance, self._stores.cache)
        self._generations = Generations(
            settings,
            self._keyring,
            self._clock,
            self._executor,
            self._instruments,
            self._memo,
            self._full_scanner,
            self._replies,
            self._admission.has_place,
            self._takes_nothing,
            lambda: self._budget.is_spent,
        )
        self._shadow = shadow_of(settings, lambda: self._pipeline.generation.bundle, self._generations.outlook)
        self._warm_ups = WarmUps(
            watched_of(settings, self._clouds(), number),
            bundle=lambda: self._pipeline.generation.bundle,
            admission=self._admission,
            endpoints=self._endpoints,
            budget=self._budget,
            store=self._quota_store,
            audit=self._audit,
            clock=self._clock,
            book=WarmUpBook(settings.state_dir),
        )
        self._pipeline = Pipeline(
            shadow=self._shadow,
            generation=self._generations.of(bundle, scanner, certificate),
            epoch=self._epoch,
            authenticator=self._credentials.authenticator,
            dispatcher=dispatcher,
            audit=self._audit,
            clock=self._clock,
            executor=self._executor,
            patience=Patience(),
            instruments=self._instruments,
            cache=self._cache,
            quotas=self._quotas,
            staying=Staying(self._admission, is_spent=self._budget.keeps),
            started_at=int(self._clock.wall()),
        )
        self._plane = DataPlane(
            self._pipeline,
            Limits(body=gateway.limits.body, head=gateway.limits.headers, receive_s=gateway.limits.receive_s),
            gateway.clients.proxies,
            TurnShare(self._clock.monotonic),
            self._pipeline.again,
        )
        self._canary = live_canary_of(
            gateway.canary,
            worker=number,
            state_dir=settings.state_dir,
            bundle=lambda: self._pipeline.generation.bundle,
            serve=self._pipeline.serve,
            serves=lambda: not (self._pipeline.deciding.is_superseded or self._plane.is_giving_way),
            clock=self._clock,
            draw=chance,
        )
        self._face = AdminFace(
            number,
            settings,
            self._audit,
            self._stores,
            self._clouds(),
            self._admission,
            self._desk,
            self._budget,
            self._books,
            self._plane,
            self._epoch,
            lambda: self._in_force,
            self._canary,
            self._warm_ups,
        )
        self._let_read()

    @property
    def bundle(self) -> str:
        """The digest of the bundle that governs."""
        return self._pipeline.generation.digest

    def _epoch(self) -> int:
        return self._activations + self._desk.epoch + self._credentials.watch.epoch

    async def _rescan(self, message: Message, tenant: Tenant | None) -> Label | None:
        return await self._pipeline.generation.classifier.rescan(message, tenant)

    def activate(self, bundle: Bundle, scanner: Scanner, certificate: str) -> None:
        """Let `bundle` govern from now on: whoever comes in now, and whoever still waits, is decided by it. What it
        decides with has been made before anything is changed, and nothing of the change waits or fails.

        Only what lies in a bundle may be another one than before; what does not (pools, zones, the order of labels)
        takes another worker (`runtime/upgrade.py`).
        """
        generation = self._generations.of(bundle, scanner, certificate)
        self._credentials.adopt(bundle)
        self._quotas.prices = bundle.prices
        self._budget.adopt(bundle.budget, bundle.prices)
        if self._cache is not None:
            self._cache.adopt(bundle.tenants)
        self._pipeline.deciding.take(generation)
        # Last: what is cleared from here on was decided by the new one.
        self._activations += 1
        self._audit.activated(bundle.digest, bundle.policy.order.names, certificate, origin_of(bundle))
        log.info("bundle_activated", worker=self._number, bundle=bundle.digest, epoch=self._epoch())

    def make_ready(self, bundle: Bundle) -> None:
        """Make on disk what `bundle` needs before it is activated; waits for it."""
        if self._cache is not None:
            self._cache.make_keys(bundle.tenants)

    def supersede(self) -> None:
        """Something governs that this worker cannot take over: whoever comes or waits here is asked to come again."""
        if not self._pipeline.deciding.is_superseded:
            self._pipeline.deciding.is_superseded = True
            self._activations += 1
            log.info("worker_superseded", worker=self._number, bundle=self.bundle)

    def _let_read(self) -> None:
        """Whose readings are among the figures."""
        bundle, ask = self._pipeline.generation.bundle, self._instruments.ask
        about = bundle.topology, bundle.policy.order, self._admission, self._backends
        ask(lambda: readings.of_pools(*about, self._endpoints.is_closed))
        ask(lambda: readings.of_endpoints(bundle.topology, self._endpoints))
        ask(lambda: readings.of_overrides(self._desk, self._activations + self._credentials.watch.epoch))
        ask(lambda: readings.of_audit(self._audit))
        ask(lambda: readings.of_memo(self._memo))
        ask(lambda: readings.of_replies(self._replies))
        for each in (self._credentials, self._quotas, self._shadow, self._budget, self._warm_ups, self._mirrors):
            ask(each.readings)
        if self._canary is not None:
            ask(self._canary.readings)
        if self._cache is not None:
            ask(partial(readings.of_cache, self._cache))
        ask(lambda: readings.of_stores(self._stores.by_name))
        ask(readings.of_process)
        ask(
            lambda: (
                (measures.UNDER_WAY, (), self._pipeline.in_flight),
                (measures.CLIENTS, (), len(self._plane.connections)),
                (measures.BUNDLE, (version("tidegate"), self.bundle), 1),
            )
        )
        ask(lambda: readings.of_files(self._in_force))

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is being served."""
        return not self._pipeline.in_flight

    def asgi(self) -> Application:
        """The data plane for another server than ours; `run` is then called with a socket that nobody knows."""
        return build_asgi(self._plane)

    async def run(
        self,
        data: socket.socket,
        admin: socket.socket | None,
        stop: asyncio.Event,
        *,
        on_ready: Callable[[], None] = lambda: None,
        replaced: asyncio.Event | None = None,
    ) -> None:
        """Serve on `data` (and `admin`, if this worker has it) until `stop`, then drain and close everything.

        `on_ready` is called once connections are accepted. Once `replaced`, it accepts no more, and stops by itself
        when its last client has gone.
        """
        replaced = replaced or asyncio.Event()
        loop = asyncio.get_running_loop()
        drained = asyncio.Event()
        self._audit.open()
        if self._cache is not None:
            self._cache.open()
        first = self._pipeline.generation
        self._audit.activated(first.digest, first.order.names, first.certificate, origin_of(first.bundle))
        if self._number == 0:
            key = self._keyring.keyed_hash(Purpose.ACTIVATIONS)
            await refusal_book.hand_over(self._settings.state_dir, key, self._audit)
        await self._credentials.prepare()
        await asyncio.gather(self._stores.open(), *(poller.prepare() for poller in self._pollers))
        server = await loop.create_server(
            lambda: Connection(self._plane, loop), sock=data, ssl=tls_of(self._settings), backlog=4096
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick(drained))
                group.create_task(self._credentials.run(drained))
                group.create_task(self._shadow.run(drained))
                group.create_task(self._budget.run(drained))
                group.create_task(self._warm_ups.run(stop))
                group.create_task(self._mirrors.run(drained))
                if self._canary is not None:
                    group.create_task(self._canary.run(stop))
                for poller in self._pollers:
                    group.create_task(poller.run(stop))
                if isinstance(self._replies, RedisTaintStore):
                    await self._replies.look()
                    group.create_task(self._replies.run(drained))
                if self._models is not None:
                    group.create_task(self._models.run(drained))
                for cloud in self._clouds().values():
                    group.create_task(cloud.watch(stop))
                face = self._face.server() if admin is not None else None
                if face is not None and admin is not None:
                    group.create_task(face.serve(sockets=[admin]))
                log.info("worker_ready", worker=self._number, bundle=self.bundle)
                on_ready()
                await either(stop, replaced)
                server.close()
                drain_by = loop.time() + self._settings.gateway.limits.drain_s
                if not stop.is_set():
                    log.info("worker_replaced", worker=self._number, bundle=self.bundle)
                    if face is not None:
                        face.should_exit = True  # whoever asks how the gateway is must not hear it of one that leaves
                    await self._plane.give_way(drain_by - loop.time(), stop)
                    stop.set()
                await self._plane.drain(drain_by - loop.time())
                drained.set()
                if face is not None:
                    face.should_exit = True
        finally:
            server.close()
            for backend in self._backends.values():
                await backend.close()
            await self._quota_store.finish()
            await self._stores.close()
            await loop.run_in_executor(None, self._audit.flush_and_close)
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._books.tell()

    async def _tick(self, drained: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while not drained.is_set():
            due = loop.time() + TICK_S
            await either(drained, within_s=TICK_S)
            self._lateness(max(0.0, loop.time() - due))
            self._pipeline.tick()
            if self._cache is not None:
                self._cache.tick()
            self._mirrors.tick()
            self._desk.tick()
            self._quota_store.tick()
            self._admission.tick()
            if loop.time() - swept >= 1.0:
                swept = loop.time()
                self._plane.sweep(swept)
                self._books.tell()

    def told(self, told: Told) -> None:
        """The supervisor says which overrides of operations stand, and what of the files does not come into force."""
        self._desk.told(told)
        if told.in_force is None:
            return
        self._in_force = told.in_force
        if self._number == 0:
            self._refusals.take(told.in_force)

    def _takes_nothing(self, pool: str) -> bool:
        return self._endpoints.is_closed(pool) or self._admission.is_drained(pool)

    def _clouds(self) -> Mapping[str, SageMakerBackend]:
        return {name: backend for name, backend in self._backends.items() if isinstance(backend, SageMakerBackend)}
