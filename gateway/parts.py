"""The parts of a worker that take more than a line to make from the settings, one function each.

`assemble.py` says how they are put together; besides it this is the only file that names concrete classes.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from ssl import SSLContext

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.backends.name_lookup import NameLookup
from gateway.backends.sagemaker import SageMakerBackend
from gateway.backends.sagemaker_credentials import Keys
from gateway.backends.sagemaker_warm import Warmer
from gateway.config.cache_block import KEYS_FILE
from gateway.core.burst_budget import BurstBudget
from gateway.core.topology import Endpoint, Pool
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_workers import NameWorkers, WorkerSettings
from gateway.ports import Clock
from gateway.runtime.bundles import Bundle
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.cache_keys import CacheKeys
from gateway.runtime.cache_rules import CacheRules
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.far_answers import FarAnswers
from gateway.runtime.kept_budget import KeptBudget
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.polling import Poller
from gateway.runtime.reply_cache import ReplyCache
from gateway.runtime.server_tls import server_tls
from gateway.runtime.shadow import Shadow
from gateway.runtime.surroundings import Outlook
from gateway.runtime.warm_ups import Watched
from gateway.settings import RECOGNIZERS_FILE, Settings, load_candidate
from gateway.stores.memory_cache import MemoryCacheStore
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.redis_cache import RedisCacheStore
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_quota import RedisQuotaStore


def budget_desk_of(
    settings: Settings,
    store: MemoryQuotaStore | RedisQuotaStore,
    clock: Clock,
    number: int,
    closed: Callable[[bool], None],
) -> BudgetDesk:
    """Where a worker sets aside the money of burst; without a budget nothing is limited, and nothing asked."""
    bundle = settings.bundle
    budget = bundle.budget if bundle.budget is not None else BurstBudget()
    if bundle.budget is None or not isinstance(store, MemoryQuotaStore):
        return BudgetDesk(budget, bundle.prices, store, closed=closed)
    kept = KeptBudget(settings.state_dir / f"budget-w{number}.json", store, clock)
    return BudgetDesk(budget, bundle.prices, store, part_of=store.part_of, kept=kept, closed=closed)


def shut_by_capture(clouds: Mapping[str, SageMakerBackend]) -> Mapping[str, Callable[[], bool]]:
    """How to ask, of each pool of SageMaker that is looked at for it, whether data capture shuts it."""
    return {name: partial(_is_closed, cloud) for name, cloud in clouds.items() if cloud.preflights}


def _is_closed(cloud: SageMakerBackend) -> bool:
    return cloud.closed is not None


def _is_closed_at(cloud: SageMakerBackend, endpoint: Endpoint) -> bool:
    return cloud.closed_at(endpoint) is not None


def backend_of(pool: Pool, settings: Settings) -> Http1Backend | SageMakerBackend:
    """What reaches a pool's servers."""
    if pool.sagemaker is None:
        return Http1Backend(
            Http1Settings(
                settings.credential(pool.name),
                pool.ca_file,
                proxy=pool.proxy,
                certificate=pool.certificate,
                max_connections=pool.max_connections,
            )
        )
    return SageMakerBackend(pool, pool.sagemaker, _aws_keys(pool, settings))


def _aws_keys(pool: Pool, settings: Settings) -> Keys | None:
    own = settings.aws_keys.get(pool.name)
    if own is None:
        return None
    token = own.session_token.reveal() if own.session_token is not None else None
    return Keys(own.access_key.reveal(), own.secret_key.reveal(), token)


def tls_of(settings: Settings) -> SSLContext | None:
    """What the front door encrypts with, if it does."""
    files, clients = settings.tls, settings.gateway.clients
    ca = settings.directory / clients.ca.text if clients.ca is not None else None
    return server_tls(files, ca, must_certify=clients.must_certify) if files is not None else None


def watched_of(settings: Settings, clouds: Mapping[str, SageMakerBackend], number: int) -> tuple[Watched, ...]:
    """The pools that the worker with this number has made ready in time: the first has all of them, others none."""
    if number:
        return ()
    return tuple(
        Watched(
            pool,
            pool.sagemaker.warm,
            Warmer(pool, pool.sagemaker, pool.sagemaker.warm, _aws_keys(pool, settings)),
            partial(_is_closed_at, clouds[pool.name]),
        )
        for pool in settings.bundle.topology.pools
        if pool.sagemaker is not None and pool.sagemaker.warm is not None
    )


def models_of(settings: Settings) -> NameWorkers | None:
    """The processes with the models; None where the policy asks for none."""
    digest, ner = settings.bundle.models_digest, settings.gateway.ner
    if not digest:
        return None
    return NameWorkers(WorkerSettings(digest, workers=ner.workers, queue=ner.queue, deadline_s=ner.deadline_s))


def scanned_inline(bundle: Bundle, most: int) -> int:
    """Up to which size requests are scanned on the loop, `most` at the most: none where a customer's code is called,
    since it may hang."""
    has_code = any(isinstance(one, ForeignRecognizer) for one in bundle.recognizers)
    return 0 if has_code else most


def cache_keys_file(settings: Settings) -> Path:
    """Where the tenants' keys for stored answers are."""
    block = settings.gateway.cache
    if block is not None and block.keys is not None:
        return settings.directory / block.keys
    return settings.state_dir / KEYS_FILE


def _far_answers(shared: RedisConnection | None, clock: Clock, draw: Callable[[], float]) -> FarAnswers | None:
    if shared is None:
        return None
    # A fifth of what a command may take at the most: 10 ms, unless the file says more for a store that is far away.
    return FarAnswers(RedisCacheStore(shared), clock, draw, prompt_s=shared.settings.timeout_s / 5)


def reply_cache_of(
    settings: Settings,
    bundle: Bundle,
    keyring: Keyring,
    clock: Clock,
    draw: Callable[[], float],
    shared: RedisConnection | None,
) -> ReplyCache | None:
    """What keeps answers; None where gateway.yaml does not ask for it."""
    block, order = settings.gateway.cache, bundle.policy.order
    if block is None:
        return None
    return ReplyCache(
        near=MemoryCacheStore(clock, most=block.memory, share=block.share),
        far=_far_answers(shared, clock, draw),
        keys=CacheKeys(cache_keys_file(settings), keyring.key(Purpose.CACHE_KEYS), bundle.tenants, clock),
        label_name=order.name,
        rules=CacheRules(block.largest, block.wait_s, block.ceiling(order)),
        clock=clock,
        draw=draw,
    )


def shadow_of(settings: Settings, live: Callable[[], Bundle], outlook_of: Callable[[Bundle], Outlook]) -> Shadow:
    """What compares a candidate for the policy with the bundle in force, wherever one stands."""
    folder, files = settings.directory, settings.gateway.files
    beside = (files.pools, files.tenants, files.recognizers or RECOGNIZERS_FILE)
    return Shadow(
        folder / files.shadow,
        [folder / name for name in beside],
        read=partial(load_candidate, folder, files),
        live=live,
        outlook_of=outlook_of,
    )


def full_scanner_of(settings: Settings, models: NameWorkers | None, executor: Executor) -> ModelScanner | None:
    """What has the models read a request; None where the policy asks for none."""
    if models is None:
        return None
    return ModelScanner(models, settings.bundle.models_digest, longest=settings.gateway.ner.longest, executor=executor)


def pollers_of(
    settings: Settings,
    backends: Mapping[str, Http1Backend | SageMakerBackend],
    endpoints: Endpoints,
    press: Callable[[str, float], None],
    chance: Callable[[], float],
) -> tuple[Poller, ...]:
    """One for each pool whose endpoints are ours to look after; those of SageMaker are AWS's."""
    names, zones = NameLookup(), settings.bundle.policy.zones
    return tuple(
        Poller(
            pool,
            zones[pool.zone],
            backends[pool.name],
            endpoints,
            resolve=names.addresses,
            press=press,
            chance=chance,
        )
        for pool in settings.bundle.topology.pools
        if pool.sagemaker is None
    )
