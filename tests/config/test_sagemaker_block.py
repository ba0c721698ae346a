"""pools.yaml: pools whose endpoints are SageMaker's."""

import pytest

from gateway.config.pools_file import PoolsFile
from gateway.config.pools_file import read as read_pools
from gateway.config.secret_source import SecretEnv, SecretFile
from gateway.core.topology import (
    DataCapture,
    Endpoint,
    Invoke,
    Payload,
    PrefixId,
    Proxy,
    SageMakerPlace,
    SageMakerTarget,
    Tls,
    Zone,
)
from gateway.core.warm_up import WarmRules

from .reading import ORDER, read, zones

URL = "https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/tidegate-burst"
OPEN = {**zones(), "lab": Zone("lab", None, Tls.OPTIONAL)}


def told(text: str) -> tuple[PoolsFile, list[str]]:
    return read(text, lambda root, reader: read_pools(root, reader, ORDER, OPEN))


def burst(block: str | None = "{region: eu-central-1}", **changes: str) -> str:
    settings = {
        "zone": "cloud", "clearance": "internal", "backend": "sagemaker", "model": "m", "endpoints": f'["{URL}"]',
        **({"sagemaker": block} if block is not None else {}), **changes,
    }  # fmt: skip
    lines = "".join(f"    {key}: {value}\n" for key, value in settings.items())
    return f"apiVersion: tidegate/v1\npools:\n  burst:\n{lines}"


def test_a_region_is_enough_and_the_rest_is_the_careful_choice() -> None:
    pools, problems = told(burst())
    assert problems == []
    pool = pools.topology.pool("burst")
    assert pool.sagemaker == SageMakerTarget("eu-central-1")
    assert pool.sagemaker == SageMakerTarget(
        "eu-central-1", Invoke.OPENAI, Payload.CHAT, DataCapture.FORBID, 300.0, False, None, None
    )
    assert pool.endpoints == (
        Endpoint(
            "runtime.sagemaker.eu-central-1.amazonaws.com:443/endpoints/tidegate-burst",
            "runtime.sagemaker.eu-central-1.amazonaws.com",
            443,
            True,
            None,
            "/endpoints/tidegate-burst",
        ),
    )
    assert pools.aws_keys == {}


def test_everything_can_be_said() -> None:
    block = (
        "{region: us-gov-west-1, invoke: invocations, payload: huggingface, data_capture: allow, check_every: 1m, "
        "credentials: {access_key: {env: KEY}, secret_key: {file: s.key}, session_token: {env: TOKEN}}, "
        'proxy: "http://proxy.bank:3128", control: "https://vpce.example"}'
    )
    there = '["https://runtime.sagemaker.us-gov-west-1.amazonaws.com/endpoints/tidegate-burst"]'
    pools, problems = told(burst(block, endpoints=there))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker == SageMakerTarget(
        "us-gov-west-1",
        Invoke.INVOCATIONS,
        Payload.HUGGINGFACE,
        DataCapture.ALLOW,
        60.0,
        True,
        Proxy("proxy.bank", 3128),
        "https://vpce.example",
    )
    keys = pools.aws_keys["burst"]
    assert isinstance(keys.access_key, SecretEnv)
    assert isinstance(keys.secret_key, SecretFile)
    assert isinstance(keys.session_token, SecretEnv)


def test_an_endpoint_that_scales_to_zero_has_an_inference_component() -> None:
    pools, problems = told(burst("{region: eu-central-1, inference_component: tidegate-burst-model}"))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker.inference_component == "tidegate-burst-model"


def test_a_zone_without_tls_takes_a_stand_in_and_its_control_plane() -> None:
    block = '{region: eu-central-1, control: "http://127.0.0.1:5000"}'
    pools, problems = told(burst(block, zone="lab", endpoints='["http://127.0.0.1:9/endpoints/a/"]'))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker == SageMakerTarget("eu-central-1", control="http://127.0.0.1:5000")


@pytest.mark.parametrize(
    ("block", "changes", "problem"),
    [
        (None, {}, "4:5: The pool `burst` lacks the key `sagemaker`. Add it, with its `region`."),
        (
            "{region: eu-central-1}",
            {"backend": "vllm"},
            "9:16: The pool `burst` has a `sagemaker` block and the backend",
        ),
        ("{}", {}, "9:16: `sagemaker` lacks the key `region`. Add it."),
        ("[]", {}, "9:16: `sagemaker` must be a group of keys."),
        ("{region: Frankfurt}", {}, "9:25: `sagemaker.region` is not the name of a region. Write it like"),
        ("{region: eu-central-1, invok: openai}", {}, "9:39: `sagemaker` has no key `invok`. Did you mean `invoke`?"),
        ("{region: eu-central-1, invoke: sse}", {}, "9:47: `sagemaker.invoke` must be one of: openai, invocations."),
        (
            "{region: eu-central-1, payload: chatt}",
            {},
            "9:48: `sagemaker.payload` must be one of: chat, huggingface. Did",
        ),
        (
            "{region: eu-central-1, data_capture: no}",
            {},
            "9:53: `sagemaker.data_capture` must be one of: forbid, allow.",
        ),
        (
            "{region: eu-central-1, inference_component: a_b}",
            {},
            "9:60: `sagemaker.inference_component` is not what SageMaker calls one. Letters",
        ),
        ("{region: eu-central-1, check_every: 1ms}", {}, "9:52: `sagemaker.check_every` must be between 1s and 3600s."),
        (
            "{region: eu-central-1, payload: huggingface}",
            {},
            "9:48: `payload: huggingface` goes with `invoke: invocations` only. Set `invoke`.",
        ),
        (
            "{region: eu-central-1, invoke: invocations, payload: huggingface}",
            {"capabilities": "[tools]"},
            "10:19: `payload: huggingface` carries no capabilities. Remove them.",
        ),
        ("{region: eu-central-1, proxy: proxy.bank}", {}, "9:46: `sagemaker.proxy` must be an address without a path."),
        ('{region: eu-central-1, proxy: "https://proxy"}', {}, "9:46: A proxy is spoken to in plain HTTP;"),
        ('{region: eu-central-1, control: "http://a"}', {}, "9:48: The zone `cloud` requires TLS. Write `https://`."),
        ('{region: eu-central-1, control: "http://a/b"}', {}, "9:48: `sagemaker.control` must be an address without"),
        (
            "{region: eu-central-1, credentials: {access_key: {env: A}}}",
            {},
            "9:52: `sagemaker.credentials` lacks the key",
        ),
        (
            "{region: eu-central-1, credentials: {access_key: hunter2, secret_key: {env: B}}}",
            {},
            "9:65: `access_key` must not stand in this file itself.",
        ),
        (
            "{region: eu-central-1}",
            {"credential": "{env: A}"},
            "10:17: A SageMaker pool has AWS keys and no `credential`.",
        ),
        (
            "{region: eu-central-1}",
            {"zone": "onprem"},
            "4:11: SageMaker is no part of the zone `onprem`: what goes there has left the building.",
        ),
        (
            "{region: eu-central-1}",
            {"endpoints": "[https://runtime.sagemaker.eu-central-1.amazonaws.com]"},
            "8:17: The address of a SageMaker endpoint ends in `/endpoints/NAME`.",
        ),
        ("{region: eu-central-1}", {"endpoints": "[http://a/endpoints/b]"}, "8:17: The zone `cloud` requires TLS."),
        (
            '{region: eu-central-1, proxy: "http://proxy"}',
            {"zone": "lab", "endpoints": "[http://a/endpoints/b]"},
            "8:17: Through a proxy an endpoint is reached with TLS only. Write `https://`.",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(block: str | None, changes: dict[str, str], problem: str) -> None:
    _, problems = told(burst(block, **changes))
    assert [found[: len(problem)] for found in problems] == [problem]
    assert "hunter2" not in problems[0]


def test_a_mistaken_backend_is_one_problem() -> None:
    _, problems = told(burst(backend="sagemakr"))
    assert len(problems) == 1
    assert "Did you mean `sagemaker`?" in problems[0]


def test_without_zones_the_block_is_still_read() -> None:
    text = burst("{region: X}", credential="{env: A}")
    _, problems = read(text, lambda root, reader: read_pools(root, reader, ORDER, None))
    assert len(problems) == 2


# Several endpoints


def several(*endpoints: str, block: str = "{region: eu-central-1, inference_component: usual}") -> tuple:
    pools, problems = told(burst(block, endpoints=f"[{', '.join(endpoints)}]"))
    return pools.topology.pool("burst") if not problems else None, problems


def test_an_endpoint_is_in_the_region_that_its_host_names() -> None:
    pool, problems = several(
        f'"{URL}"',
        '"https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/second"',
        '"https://runtime.sagemaker-fips.us-east-1.amazonaws.com/endpoints/third"',
        '"https://vpce-0a-1b.runtime.sagemaker.eu-north-1.vpce.amazonaws.com/endpoints/fourth"',
        '"https://runtime.sagemaker.cn-north-1.amazonaws.com.cn/endpoints/fifth"',
        '"https://proxy.bank/endpoints/sixth"',
        block="{region: eu-central-1, control: 'https://vpce.bank'}",
    )
    assert problems == []
    places = [pool.sagemaker.place(endpoint.name) for endpoint in pool.endpoints]
    assert [place.region for place in places] == [
        *("eu-central-1", "eu-west-1", "us-east-1", "eu-north-1", "cn-north-1", "eu-central-1"),
    ]
    assert [place.control for place in places] == ["https://vpce.bank", None, None, None, None, "https://vpce.bank"]


def test_what_is_written_of_an_endpoint_goes_before_what_is_written_of_the_pool() -> None:
    pool, problems = several(
        f'"{URL}"',
        "{name: second, url: 'https://proxy.bank/endpoints/second', region: eu-west-1, "
        "control: 'https://control.west', inference_component: western}",
    )
    assert problems == []
    assert pool.sagemaker.place("second") == SageMakerPlace("eu-west-1", "https://control.west", "western")
    assert pool.sagemaker.component("second") == "western"
    assert pool.sagemaker.component(pool.endpoints[0].name) == "usual"


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("{name: a, url: 'https://proxy.bank/endpoints/a', region: Frankfurt}", "`region` is not the name of a region"),
        (f"{{name: a, url: '{URL}', region: eu-west-1}}", "another than the endpoint's host is in"),
        (f"{{name: a, url: '{URL}', inference_component: 'a b'}}", "not what SageMaker calls one"),
        (f"{{name: a, url: '{URL}', control: 'http://control'}}", "requires TLS"),
        (f"{{name: a, url: '{URL}', invoke: openai}}", "no key"),
    ],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(endpoint: str, problem: str) -> None:
    assert problem.lower() in str(several(endpoint)[1]).lower()


def test_a_place_of_its_own_is_sagemakers_only() -> None:
    text = "apiVersion: tidegate/v1\npools:\n  a: {zone: lab, clearance: internal, backend: vllm, model: m, endpoints: "
    _, problems = told(text + "[{name: a, url: 'http://a:1', region: eu-west-1}]}\n")
    assert "region" in str(problems)


@pytest.mark.parametrize("word", list(PrefixId))
def test_what_an_endpoint_that_routes_by_prefix_is_told(word: PrefixId) -> None:
    pools, problems = told(burst(f"{{region: eu-central-1, prefix_id: {word}}}"))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker.prefix_id is word


# Warm-ups


def test_a_warm_up_has_a_price_and_the_rest_can_be_left_out() -> None:
    pools, problems = told(burst("{region: eu-central-1, warm: {per_hour: 1.41}}"))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker.warm == WarmRules(1_410_000, 1, 1800.0, "all", None)
    block = "{per_hour: 2, count: 3, hold: 1h, variant: blue, control: 'https://scaling.vpce'}"
    pools, problems = told(burst(f"{{region: eu-central-1, cold_start: 10m, warm: {block}}}"))
    assert problems == []
    assert pools.topology.pool("burst").sagemaker.warm == WarmRules(
        2_000_000, 3, 3600.0, "blue", "https://scaling.vpce"
    )
    assert told(burst())[0].topology.pool("burst").sagemaker.warm is None


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("{count: 1}", "per_hour"),
        ("{per_hour: -1}", "amount of money"),
        ("{per_hour: 1, count: 0}", "`warm.count`"),
        ("{per_hour: 1, hold: 1m}", "`warm.hold`"),
        ("{per_hour: 1, hold: 5m}", "over before a start is"),
        ("{per_hour: 1, variant: a_b}", "`warm.variant`"),
        ("{per_hour: 1, control: 'http://plain'}", "requires TLS"),
        ("{per_hour: 1, copies: 2}", "no key `copies`"),
    ],
)
def test_a_warm_up_that_cannot_be_meant_is_refused(block: str, problem: str) -> None:
    _, problems = told(burst(f"{{region: eu-central-1, cold_start: 6m, warm: {block}}}"))
    assert problem in str(problems)
