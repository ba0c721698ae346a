"""How a pool's endpoints are connected to: whom it trusts, what it shows, and through whom."""

import pytest

from gateway.config.pools_file import PoolsFile
from gateway.config.pools_file import read as read_pools
from gateway.core.topology import ClientCertificate, Pool, Proxy

from .reading import ORDER, read, zones

BLOCKS = {"tls": "{ca: ca.pem}", "endpoints": '["https://10.0.0.5:8443"]'}
HERE = "http://10.0.0.9:3128"


def told(**changes: str) -> tuple[PoolsFile, list[str]]:
    settings = {"zone": "onprem", "clearance": "internal", "backend": "openai", "model": "m", **BLOCKS, **changes}
    listed = "".join(f"    {key}: {value}\n" for key, value in settings.items() if value)
    text = f"apiVersion: tidegate/v1\npools:\n  p:\n{listed}"
    return read(text, lambda root, reader: read_pools(root, reader, ORDER, zones()))


def well(**changes: str) -> Pool:
    pools, problems = told(**changes)
    assert problems == []
    return pools.topology.pool("p")


def test_each_part_can_be_left_out() -> None:
    pool = well(tls="")
    assert (pool.ca_file, pool.certificate, pool.proxy, pool.max_connections) == (None, None, None, None)
    pool = well(tls="{certificate: c.pem, key: {file: c.key}}", max_connections="8")
    assert (pool.ca_file, pool.certificate) == (None, ClientCertificate("c.pem", "c.key"))
    assert pool.max_connections == 8


@pytest.mark.parametrize(
    ("proxy", "endpoint", "zone"),
    [
        (HERE, "https://10.0.0.5:8443", "onprem"),
        ("http://proxy.bank:3128", "https://10.0.0.5", "onprem"),
        ("http://[::1]:3128", "https://[::1]:8443", "onprem"),
        ("http://192.0.2.9:3128", "https://api.example/v1", "cloud"),
    ],
)
def test_a_proxy_in_the_zone_is_taken(proxy: str, endpoint: str, zone: str) -> None:
    pool = well(proxy=f'"{proxy}"', endpoints=f'["{endpoint}"]', zone=zone)
    assert isinstance(pool.proxy, Proxy)
    assert pool.proxy.port == 3128


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tls": "{}"}, "`tls` says nothing. Name a `ca`, or a `certificate` and its `key`."),
        ({"tls": "{certificate: c.pem}"}, "In `tls`, `certificate` and `key` belong together. Name both or none."),
        ({"tls": "{key: {file: c.key}}"}, "In `tls`, `certificate` and `key` belong together. Name both or none."),
        ({"tls": "{certificate: c.pem, key: hunter2}"}, "`tls.key` must not stand in this file itself."),
        ({"tls": "{certificate: c.pem, key: {env: KEY}}"}, "`tls.key` must be a file. Write `{file: path}`."),
        ({"tls": "{certificate: '', key: {file: c.key}}"}, "`tls.certificate` must be a text that is not empty."),
        ({"tls": "{cert: c.pem, ca: a}"}, "`tls` has no key `cert`."),
        ({"proxy": "proxy.bank"}, "`proxy` must be an address without a path."),
        ({"proxy": "https://10.0.0.9"}, "A proxy is spoken to in plain HTTP; TLS runs inside its tunnel."),
        ({"proxy": "http://11.0.0.9"}, "The proxy lies outside the networks of the zone `onprem`."),
        ({"proxy": HERE, "endpoints": "['http://10.0.0.5']"}, "Through a proxy an endpoint is reached with TLS only."),
        ({"proxy": HERE, "endpoints": "['unix:/a']"}, "Through a proxy an endpoint is reached with TLS only."),
        (
            {"proxy": HERE, "endpoints": "['https://api.example']"},
            "What a name means to a proxy cannot be checked, and the zone `onprem` is made of networks. Write the",
        ),
        (
            {"proxy": HERE, "endpoints": "", "dns": "https://gpu.internal:8443"},
            "A pool with a `proxy` has no `dns`: it is the proxy that looks names up.",
        ),
        (
            {
                "zone": "cloud", "backend": "sagemaker", "sagemaker": "{region: eu-central-1}",
                "endpoints": "['https://a/endpoints/b']", "proxy": "http://proxy",
            },
            "A SageMaker pool has no `proxy`. Write `sagemaker.proxy`.",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told(changes: dict[str, str], sentence: str) -> None:
    _, problems = told(**changes)
    assert [sentence in problem for problem in problems] == [True], problems
    assert "hunter2" not in problems[0]
