"""Who is measured, and how each is brought up: the mock model servers, nginx, the gateway, its two ends alone.

Everything is generated below one folder that git ignores: nginx's configuration, a complete configuration of the
gateway (`tidegate serve --config`), its key and its secrets. All listen on free loopback ports.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import yaml
from children import Children, StartFailed, free_port
from load import KEY

HERE: Final = Path(__file__).resolve().parent
TIDEGATE: Final = Path(sys.executable).with_name("tidegate")
CHAT: Final = "/v1/chat/completions"
CHUNK_GAP_US: Final = 10_000

NGINX_CONF: Final = """\
{user}worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.err;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; client_body_buffer_size 256k;
  client_body_temp_path {work}/cb; proxy_temp_path {work}/pt; fastcgi_temp_path {work}/ft;
  uwsgi_temp_path {work}/ut; scgi_temp_path {work}/st;
  upstream plain {{ server 127.0.0.1:{plain}; keepalive 1024; keepalive_requests 10000000; }}
  upstream paced {{ server 127.0.0.1:{paced}; keepalive 1024; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{front}; location / {{ {proxy} proxy_pass http://plain; }} }}
  server {{ listen 127.0.0.1:{front_paced}; location / {{ {proxy} proxy_pass http://paced; }} }}
}}
"""
PROXY: Final = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'


@dataclass(frozen=True, slots=True)
class Front:
    """A contender that is up: its process, the port for plain answers, the port for paced streams."""

    pid: int
    plain: int
    paced: int


def compile_c(source: Path, target: Path) -> Path:
    """Compile one C file, or return what was compiled since it last changed."""
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-w", "-o", str(target), str(source)], check=True)
    return target


def start_mocks(children: Children, mock: Path, *, core: int, work: Path) -> Front:
    """The model servers: one answers at once, one leaves 10 ms between chunks."""
    plain, paced = free_port(), free_port()
    pid = children.start("mock", [mock, str(plain), "0"], core=core, cwd=work)
    children.start("mock-paced", [mock, str(paced), str(CHUNK_GAP_US)], core=core, cwd=work)
    children.await_port("mock", plain)
    children.await_port("mock-paced", paced)
    return Front(pid, plain, paced)


def find_nginx(work: Path) -> Path | None:
    """An nginx to run: the system's, or Debian's package unpacked below `work` (nothing is installed)."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found:
        return Path(found)
    unpacked = work / "nginx-package" / "usr" / "sbin" / "nginx"
    if unpacked.exists():
        return unpacked
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    downloads = work / "downloads"
    downloads.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
    subprocess.run(["apt-get", "download", "-qq", "nginx"], cwd=downloads, capture_output=True)
    for package in sorted(downloads.glob("nginx_*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(work / "nginx-package")], capture_output=True)
    return unpacked if unpacked.exists() else None


def start_nginx(children: Children, nginx: Path, mocks: Front, *, core: int, work: Path) -> Front:
    """nginx as a plain proxy with pooled upstream connections: the practical limit."""
    plain, paced = free_port(), free_port()
    conf = work / "nginx.conf"
    conf.write_text(
        NGINX_CONF.format(
            user="user root; " if os.geteuid() == 0 else "",
            work=work,
            plain=mocks.plain,
            paced=mocks.paced,
            front=plain,
            front_paced=paced,
            proxy=PROXY,
        )
    )
    pid = children.start("nginx", [nginx, "-p", work, "-c", conf], core=core, cwd=work)
    children.await_port("nginx", plain)
    return Front(pid, plain, paced)


def start_passthrough(children: Children, mocks: Front, *, core: int) -> tuple[Front, Front]:
    """The gateway's two ends alone, once in front of each mock."""
    fronts = []
    for name, upstream in (("pass-through", mocks.plain), ("pass-through-paced", mocks.paced)):
        port = free_port()
        argv = [sys.executable, HERE / "passthrough.py", str(port), str(upstream)]
        pid = children.start(name, argv, core=core, cwd=HERE.parent)
        children.await_port(name, port)
        fronts.append(Front(pid, port, port))
    return fronts[0], fronts[1]


def start_tidegate(
    children: Children,
    mocks: Front,
    *,
    core: int | Collection[int],
    work: Path,
    name: str = "tidegate",
    change: Callable[[Path], None] = lambda _: None,
) -> Front:
    """The gateway as operators run it: one worker, every stage of the path on. `change` may write other files."""
    folder = work / ("gateway" if name == "tidegate" else name)
    shutil.rmtree(folder, ignore_errors=True)
    port, admin = free_port(), free_port()
    write_config(folder, mocks, port, admin)
    change(folder)
    create_key(folder)
    pid = children.start(name, [TIDEGATE, "serve", "--config", folder], core=core, cwd=work)
    deadline = time.monotonic() + 30
    while not _is_ready(admin):
        children.check(name)
        if time.monotonic() > deadline:
            raise StartFailed(f"{name} was not ready within 30 s. {children.last_words(name)}")
        time.sleep(0.1)
    return Front(pid, port, port)


def create_key(folder: Path) -> None:
    """Let the benchmark's key in."""
    made = subprocess.run(
        [str(TIDEGATE), "keys", "create", "--config", str(folder), "--tenant", "bench", "--from-stdin"],
        input=KEY,
        text=True,
        capture_output=True,
    )
    if made.returncode:
        raise StartFailed(f"`tidegate keys create` said: {(made.stderr.strip().splitlines() or ['nothing'])[-1]}")


def write_config(folder: Path, mocks: Front, port: int, admin: int) -> None:
    """A configuration that `tidegate serve` starts with, its two secrets included."""
    (folder / "secrets").mkdir(parents=True, mode=0o700)
    for name in ("root.key", "admin.token"):
        secret = folder / "secrets" / name
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(32) + "\n")
    (folder / "policy.yaml").write_text(_policy())
    (folder / "gateway.yaml").write_text(
        "apiVersion: tidegate/v1\n"
        f"listen: 127.0.0.1:{port}\n"
        f"admin: {{listen: '127.0.0.1:{admin}', token: {{file: secrets/admin.token}}}}\n"
        "state_dir: state\n"
        "root_secret: {file: secrets/root.key}\n"
        "workers: 1\n"
    )
    (folder / "pools.yaml").write_text(
        "apiVersion: tidegate/v1\n"
        "pools:\n"
        + "".join(
            f"  {name}: {{zone: onprem, clearance: restricted, backend: vllm, model: m1, "
            f"endpoints: ['http://127.0.0.1:{upstream}'], max_in_flight: 4096, queue: 4096}}\n"
            for name, upstream in (("plain", mocks.plain), ("paced", mocks.paced))
        )
    )
    (folder / "tenants.yaml").write_text(
        "apiVersion: tidegate/v1\n"
        "classes: {default: {ceiling: internal}}\n"
        "tenants: {bench: {class: default, sees: []}}\n"
    )


def _policy() -> str:
    """The default policy with its labels as they are, and the mocks for pools."""
    policy = yaml.safe_load((HERE.parent / "policies" / "default.yaml").read_text())
    policy["zones"] = {"onprem": {"networks": ["127.0.0.0/8"]}}
    policy["models"] = {"m1": {"pools": ["plain"]}, "m1s": {"pools": ["paced"]}}
    policy["routes"] = [{"id": "everything", "when": {}, "to": ["plain", "paced"]}]
    policy["invariants"] = []
    text: str = yaml.safe_dump(policy, allow_unicode=True, sort_keys=False, explicit_end=True)
    return text


def _is_ready(admin: int) -> bool:
    connection = HTTPConnection("127.0.0.1", admin, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
