"""pools.yaml: what a pool says of its endpoints as a set."""

import pytest

from gateway.config.pools_file import PoolsFile
from gateway.config.pools_file import read as read_pools
from gateway.core.balance import BalanceRules
from gateway.core.breaker import BreakerRules
from gateway.core.topology import Endpoint, Polling, Pool

from .reading import ORDER, read, zones


def told(backend: str = "vllm", zone: str = "onprem", **more: str) -> tuple[PoolsFile, list[str]]:
    settings = {"zone": zone, "clearance": "internal", "backend": backend, "model": "m", **more}
    if "dns" not in settings:
        settings.setdefault("endpoints", "[https://host]")
    if settings["endpoints" if "endpoints" in settings else "dns"] == "":
        settings.pop("endpoints")
    listed = ", ".join(f"{key}: {value}" for key, value in settings.items())
    text = f"apiVersion: tidegate/v1\npools:\n  p: {{{listed}}}\n"
    return read(text, lambda root, reader: read_pools(root, reader, ORDER, zones()))


def pool(backend: str = "vllm", zone: str = "onprem", **more: str) -> Pool:
    found, problems = told(backend, zone, **more)
    assert problems == []
    return found.topology.pool("p")


def test_everything_can_be_said_and_the_rest_is_usual() -> None:
    said = pool(
        breaker="{in_a_row: 3, percent: 40, of: 10, within: 1m, open: 2s, longest: 30s}",
        balance="{by: load, percent: 150}",
        poll="{every: 500ms, health: /up, metrics: none}",
    )
    assert said.breaker == BreakerRules(3, 0.4, 10, 60.0, 2.0, 30.0)
    assert said.balance == BalanceRules(by_prefix=False, bound=1.5)
    assert said.polling == Polling(0.5, "/up", None)
    usual = pool()
    assert usual.breaker == BreakerRules(5, 0.5, 20, 30.0, 5.0, 60.0, 0.2, 3)
    assert usual.balance == BalanceRules(by_prefix=True, bound=1.25)
    assert usual.dns is None


@pytest.mark.parametrize(
    ("backend", "said", "polling"),
    [
        ("vllm", None, Polling(2.0, "/health", "/metrics")),
        ("vllm", "{every: 5s}", Polling(5.0, "/health", "/metrics")),
        ("vllm", "none", Polling(2.0, None, None)),
        ("embedded", None, Polling(2.0, "/health", None)),
        # Of a server that merely speaks the dialect nobody knows whether it has such pages.
        ("openai", None, Polling(2.0, None, None)),
        ("openai", "{health: /v1/models}", Polling(2.0, "/v1/models", None)),
    ],
)
def test_what_is_polled_depends_on_the_server_unless_it_is_said(
    backend: str, said: str | None, polling: Polling
) -> None:
    assert pool(backend, **({} if said is None else {"poll": said})).polling == polling


def test_a_pool_in_the_cloud_is_given_longer_to_connect() -> None:
    assert pool("openai").timeouts.connect_s == 1.0
    assert pool("openai", "cloud").timeouts.connect_s == 3.0
    assert pool("openai", "cloud", timeouts="{connect: 2s}").timeouts.connect_s == 2.0


@pytest.mark.parametrize(
    ("written", "dns"),
    [
        ("gpu.internal:8000", Endpoint("gpu.internal:8000", "gpu.internal", 8000)),
        ("http://gpu.internal:8000/base", Endpoint("gpu.internal:8000/base", "gpu.internal", 8000, base_path="/base")),
        ("https://gpu.internal", Endpoint("gpu.internal:443", "gpu.internal", 443, is_tls=True)),
    ],
)
def test_a_name_stands_for_all_endpoints(written: str, dns: Endpoint) -> None:
    found = pool(dns=f'"{written}"')
    assert (found.dns, found.endpoints) == (dns, ())


@pytest.mark.parametrize(
    ("backend", "zone", "more", "sentence"),
    [
        ("vllm", "onprem", {"breaker": "{in_a_row: 0}"}, "`breaker.in_a_row` must be a whole number from 1 to 1000."),
        ("vllm", "onprem", {"breaker": "{percent: 101}"}, "`breaker.percent` must be a whole number from 1 to 100."),
        ("vllm", "onprem", {"breaker": "{open: 2m}"}, "`breaker.longest` is shorter than `breaker.open`."),
        ("vllm", "onprem", {"breaker": "{opens: 2m}"}, "`breaker` has no key `opens`. Did you mean `open`?"),
        ("vllm", "onprem", {"balance": "{by: chance}"}, "`balance.by` must be one of: prefix, load."),
        ("vllm", "onprem", {"balance": "{percent: 99}"}, "`balance.percent` must be a whole number from 100 to 1000."),
        ("vllm", "onprem", {"poll": "never"}, "`poll` must be a group of keys."),
        ("vllm", "onprem", {"poll": "{health: health}"}, "`poll.health` must be a path or `none`."),
        ("vllm", "onprem", {"poll": "{metrics: '/a?b'}"}, "`poll.metrics` must be a path or `none`."),
        ("vllm", "onprem", {"poll": "{every: 1ms}"}, "`poll.every` must be between 0.2s and 3600s."),
        ("vllm", "onprem", {"dns": "'10.0.0.1:80'"}, "`dns` must be a name, and this is an address."),
        ("vllm", "onprem", {"dns": "'a b'"}, "This is not the address of a model server."),
        ("vllm", "onprem", {"dns": "a", "endpoints": "[http://b]"}, "The pool `p` has both `endpoints` and `dns`."),
        ("vllm", "onprem", {"endpoints": ""}, "The pool `p` lacks the key `endpoints`."),
        ("vllm", "cloud", {"dns": "a"}, "The zone `cloud` requires TLS. Write `https://`."),
        ("vllm", "nowhere", {"dns": "a"}, "The zone `nowhere` does not exist."),
    ],
)
def test_a_fault_is_told(backend: str, zone: str, more: dict[str, str], sentence: str) -> None:
    _, problems = told(backend, zone, **more)
    assert len(problems) == 1
    assert sentence in problems[0]


def test_sagemakers_endpoints_are_awss_to_look_after() -> None:
    block = {
        "sagemaker": "{region: eu-west-1}",
        "endpoints": "[https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/e]",
    }
    for more in ({"poll": "{every: 2s}"}, {"dns": "'https://a'"}):
        _, problems = told("sagemaker", "cloud", **{**block, **more})
        assert any(f"A SageMaker pool has no `{next(iter(more))}`." in problem for problem in problems)
    _, problems = told("sagemaker", "cloud", **{**block, "poll": "none"})
    assert not any("has no `poll`" in problem for problem in problems)
