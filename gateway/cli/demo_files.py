"""Writes the configuration that the demo runs on: real files, as an operator would have them, in a folder of our own.

The policy is `policies/default.yaml` as it ships, with the demo's zones and one more route: what raises a label, and
how high the ceiling is, is what a newcomer gets. Secrets are new for every demo and readable by the owner only.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml

from gateway.backends.embedded import DEMO_MODEL
from gateway.cli.demo_questions import BURST, HOME, IN_FLIGHT, STRUCTURED
from gateway.cli.demo_shipped import shipped_file
from gateway.errors import InvalidRequest
from gateway.lane.signatures import Credentials

TENANT: Final = "demo"
# The same characters as gateway.yaml allows for `unix:`; the kernel's limit is 107 bytes for the whole path.
_MAY_HOLD_SOCKETS: Final = re.compile(r"/[A-Za-z0-9._~/@+-]{1,70}")

_GATEWAY: Final = """\
# Written by `tidegate demo`.
apiVersion: tidegate/v1
listen: {listen}
admin:
  listen: {admin}
  token: {{file: secrets/admin.token}}
state_dir: state
root_secret: {{file: secrets/root.key}}
limits: {{drain: 2s}}
{stores}"""

_POOLS: Final = """\
# Written by `tidegate demo`. Behind both pools llama.cpp computes the same small model.
apiVersion: tidegate/v1
pools:
  {home}:
    zone: onprem
    clearance: restricted
    backend: embedded
    model: {model}
    endpoints: [{home_endpoint}]
    credential: {{file: secrets/home.key}}
    capabilities: [tools, json_schema, embeddings]
    max_in_flight: {in_flight}
    queue: 64
  {burst}:
    zone: cloud
    clearance: internal
    backend: sagemaker
    model: {model}
    endpoints: [{burst_endpoint}]           # the lane's stand-in for runtime.sagemaker.REGION.amazonaws.com
    sagemaker:
      region: {region}
      invoke: invocations                   # SigV4, and streams in event-stream frames
      data_capture: forbid                  # asked of the control plane before anything is sent
      control: {control}
      credentials:
        access_key: {{file: secrets/burst.access}}
        secret_key: {{file: secrets/burst.secret}}
    capabilities: [tools, json_schema]
    max_in_flight: {in_flight}
    queue: 64
"""

_TENANTS: Final = """\
# Written by `tidegate demo`. Callers of this tenant are told why a request went where it went.
apiVersion: tidegate/v1
classes:
  default: {{ceiling: internal}}
tenants:
  {tenant}: {{class: default, sees: [label, route, pool]}}
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's parts are to be found; `state` is empty where the gateway's memory is to keep it."""

    folder: Path
    port: int
    home_endpoint: str
    burst_endpoint: str
    control: str
    region: str
    state: str = ""

    @property
    def url(self) -> str:
        """What an OpenAI client takes for its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"


def admin_socket(folder: Path) -> Path:
    """Where the demo's gateway listens for its operator."""
    return folder / "admin.sock"


def admin_token(folder: Path) -> str:
    """What the demo's gateway takes its operator's word for."""
    return (folder / "secrets" / "admin.token").read_text("utf-8").strip()


def claim(folder: Path) -> None:
    """Make `folder` ours alone: create it, or take it if it is empty."""
    if not _MAY_HOLD_SOCKETS.fullmatch(str(folder)):
        raise InvalidRequest(
            f"{folder}: sockets are made in this folder, so its path must be short and plain. "
            "Give `--dir` at most 70 letters, digits and any of `._~/@+-`."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidRequest(f"{folder} is not empty; give `--dir` an empty or a new folder.")
    folder.chmod(0o700)
    (folder / "secrets").mkdir(mode=0o700)
    (folder / "models").mkdir(mode=0o700)


def write_configuration(places: Places, *, home_key: str, burst_keys: Credentials) -> None:
    """Write everything but `keys.yaml`, which is for `tidegate keys create` to write."""
    folder = places.folder
    for name, secret in {
        "root.key": secrets.token_hex(32),
        "admin.token": secrets.token_urlsafe(32),
        "home.key": home_key,
        "burst.access": burst_keys.access_key,
        "burst.secret": burst_keys.secret_key,
    }.items():
        _write(folder / "secrets" / name, secret + "\n")
    listen, admin = f"127.0.0.1:{places.port}", f"unix:{admin_socket(folder)}"
    stores = f"stores: {{state: {{address: {_quoted(places.state)}}}}}\n" if places.state else ""
    _write(folder / "gateway.yaml", _GATEWAY.format(listen=_quoted(listen), admin=_quoted(admin), stores=stores))
    _write(
        folder / "pools.yaml",
        _POOLS.format(
            home=HOME,
            burst=BURST,
            model=DEMO_MODEL,
            home_endpoint=_quoted(places.home_endpoint),
            burst_endpoint=_quoted(places.burst_endpoint),
            control=_quoted(places.control),
            region=places.region,
            in_flight=IN_FLIGHT,
        ),
    )
    _write(folder / "tenants.yaml", _TENANTS.format(tenant=TENANT))
    _write(folder / "policy.yaml", demo_policy(default_policy().read_text("utf-8")))


def default_policy() -> Path:
    """`policies/default.yaml`, as it ships."""
    return shipped_file("policies", "default.yaml")


def demo_policy(default: str) -> str:
    """The default policy with the demo's zones and one more row, so that work leaves although home is not full."""
    written = cast(dict[str, object], yaml.safe_load(default))
    *rows, last = cast(list[object], written["routes"])
    adapted = {**written, "zones": _ZONES, "routes": [*rows, _STRUCTURED_ROW, last]}
    text = yaml.dump(adapted, Dumper=_PlainDumper, allow_unicode=True, sort_keys=False, width=110)
    return (
        "# Written by `tidegate demo` from policies/default.yaml, with zones of its own and the row `structured`.\n"
        "# The pool `burst` only stands for the cloud: it runs on this machine, hence its network and no TLS.\n"
        f"{text}...\n"
    )


_ZONES: Final[Mapping[str, object]] = {
    "onprem": {"networks": ["127.0.0.0/8", "unix"]},
    "cloud": {"networks": ["127.0.0.0/8"], "tls": "optional"},
}
_STRUCTURED_ROW: Final[Mapping[str, object]] = {
    "id": STRUCTURED,
    "when": {"capability": "json_schema"},
    "to": [BURST],
    "spill": [HOME],
}


class _PlainDumper(yaml.SafeDumper):
    """Writes no anchors, which our reader refuses."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 -- PyYAML's signature
        return True


def _quoted(text: str) -> str:
    # A JSON string is a YAML string, whatever is in it.
    return json.dumps(text)


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
