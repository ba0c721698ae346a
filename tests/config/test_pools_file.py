"""pools.yaml: every pool inside the policy's labels and zones."""

import pytest

from gateway.config.pools_file import PoolsFile
from gateway.config.pools_file import read as read_pools
from gateway.core.facts import Capability
from gateway.core.topology import ClientCertificate, Endpoint, Polling, Pool, Timeouts

from .reading import CONFIDENTIAL, ORDER, RESTRICTED, read, zones

WHOLE = """\
apiVersion: tidegate/v1
pools:
  gpu:
    zone: onprem
    clearance: restricted
    backend: vllm
    model: Qwen2.5-7B-Instruct
    endpoints: [http://10.0.0.5:8000, {name: b, url: "https://gpu-b.internal:8443/base"}, "unix:/run/a.sock"]
    capabilities: [tools, json_schema]
    max_in_flight: 8
    queue: 0
    credential: {env: GPU_KEY}
    timeouts: {connect: 2s, first_content: 30s, idle: 5s, total: 60s}
    tls: {ca: certs/ca.pem, certificate: certs/gateway.pem, key: {file: secrets/gateway.key}}
    max_connections: 4
    context: 32k
    processor: own
    residency: cn
    agreement: dpa-2026
  small: {zone: onprem, clearance: confidential, backend: openai, model: m, endpoints: [http://host]}
"""


def told(text: str) -> tuple[PoolsFile, list[str]]:
    return read(text, lambda root, reader: read_pools(root, reader, ORDER, zones()))


def small(**changes: str) -> str:
    settings = {
        "zone": "onprem", "clearance": "confidential", "backend": "openai", "model": "m", "endpoints": "[http://host]",
        **changes,
    }  # fmt: skip
    listed = ", ".join(f"{key}: {value}" for key, value in settings.items())
    return f"apiVersion: tidegate/v1\npools:\n  p: {{{listed}}}\n"


def test_everything_can_be_said_and_the_rest_is_usual() -> None:
    pools, problems = told(WHOLE)
    assert problems == []
    assert pools.topology.pool("gpu") == Pool(
        "gpu",
        "onprem",
        RESTRICTED,
        "vllm",
        "Qwen2.5-7B-Instruct",
        (
            Endpoint("10.0.0.5:8000", "10.0.0.5", 8000),
            Endpoint("b", "gpu-b.internal", 8443, True, None, "/base"),
            Endpoint("/run/a.sock", unix="/run/a.sock"),
        ),
        max_in_flight=8,
        max_queued=0,
        timeouts=Timeouts(2.0, 30.0, 5.0, 60.0),
        capabilities=frozenset({Capability.TOOLS, Capability.JSON_SCHEMA}),
        credential="gpu",
        ca_file="certs/ca.pem",
        certificate=ClientCertificate("certs/gateway.pem", "secrets/gateway.key"),
        max_connections=4,
        context_tokens=32768,
        processor="own",
        residency="cn",
        agreement="dpa-2026",
        polling=Polling(2.0, "/health", "/metrics"),
    )
    assert pools.topology.pool("small") == Pool(
        "small", "onprem", CONFIDENTIAL, "openai", "m", (Endpoint("host:80", "host", 80),), reserved=6
    )
    assert list(pools.credentials) == list(pools.ca_files) == list(pools.client_files) == ["gpu"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zone": "onprm"}, "The zone `onprm` does not exist. Did you mean `onprem`?"),
        ({"clearance": "top"}, "The label `top` does not exist."),
        ({"backend": "vlm"}, "`backend` must be one of: vllm, openai, embedded, sagemaker. Did you mean `vllm`?"),
        ({"model": "''"}, "`model` must be a text that is not empty."),
        ({"endpoints": "[]"}, "`endpoints` must not be empty."),
        ({"endpoints": "[{name: a}]"}, "An endpoint lacks the key `url`. Add it."),
        ({"endpoints": "[nowhere]"}, "This is not the address of a model server."),
        ({"endpoints": "[http://a, http://a]"}, "An endpoint with this name stands here twice."),
        ({"endpoints": "[http://11.0.0.1]"}, "This address lies outside the networks of the zone `onprem`."),
        ({"endpoints": "['http://[::2]']"}, "This address lies outside the networks of the zone `onprem`."),
        ({"zone": "cloud"}, "The zone `cloud` requires TLS. Write `https://`."),
        ({"zone": "cloud", "endpoints": "['unix:/a']"}, "The zone `cloud` holds no Unix sockets."),
        ({"capabilities": "[tool]"}, "The capability `tool` does not exist. Did you mean `tools`?"),
        ({"max_in_flight": "0"}, "`max_in_flight` must be a whole number from 1 to 100000."),
        ({"credential": "hunter2"}, "The credential must not stand in this file itself."),
        ({"timeouts": "{connect: 2}"}, "`timeouts.connect` must be a time such as"),
        ({"timeouts": "{connect: 26s}"}, "`timeouts.connect` must be"),
        ({"max_connections": "0"}, "`max_connections` must be a whole number from 1 to 100000."),
        ({"context": "0"}, "`context` must be a whole number such as `32768` or `32k`, from 1 to 100000000."),
        ({"context": "32 k"}, "`context` must be a whole number such as"),
        ({"context": "[1]"}, "`context` must be a whole number such as"),
        ({"processor": "''"}, "`processor` must be a name"),
        ({"residency": "none"}, "`residency` cannot have this name: policies mean by it that there is none."),
        ({"residance": "cn"}, "The pool `p` has no key `residance`. Did you mean `residency`?"),
        ({"price": "1"}, "The pool `p` has no key `price`."),
    ],
)
def test_a_fault_is_told(changes: dict[str, str], sentence: str) -> None:
    _, problems = told(small(**changes))
    assert len(problems) == 1
    assert sentence in problems[0]
    assert "hunter2" not in problems[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoints": "[http://10.1.2.3]"},
        {"endpoints": "['http://[::1]:80']"},
        {"endpoints": "[http://named.elsewhere]"},
        {"zone": "cloud", "endpoints": "[https://192.0.2.1]"},
    ],
)
def test_a_name_is_checked_when_connecting_and_an_address_now(changes: dict[str, str]) -> None:
    assert told(small(**changes))[1] == []


def test_what_lacks_something_is_left_out_and_the_rest_is_read() -> None:
    text = WHOLE.replace("    model: Qwen2.5-7B-Instruct\n", "")
    pools, problems = told(text)
    assert [pool.name for pool in pools.topology.pools] == ["small"]
    assert problems == ["4:5: The pool `gpu` lacks the key `model`. Add it."]
    _, problems = told("apiVersion: tidegate/v1\npools: {}\n")
    assert problems == ["2:8: `pools` must not be empty. Without a pool every request is refused."]


def test_without_the_policys_labels_and_zones_the_rest_is_still_read() -> None:
    pools, problems = read(small(zone="x", backend="y"), lambda root, reader: read_pools(root, reader, None, None))
    assert pools.topology.pools == ()
    assert len(problems) == 1
    assert "`backend` must be one of" in problems[0]
    assert read(small(), lambda root, reader: read_pools(root, reader, ORDER, None))[1] == []
