"""A configuration folder as an operator would have it."""

from pathlib import Path

POLICY = Path(__file__).parents[2] / "policies" / "default.yaml"
GATEWAY = """\
apiVersion: tidegate/v1
admin: {token: {file: secrets/admin.token}}
root_secret: {file: secrets/root.key}
"""
POOLS = """\
apiVersion: tidegate/v1
pools:
  home: {zone: onprem, clearance: restricted, backend: vllm, model: m, endpoints: [http://127.0.0.1:8000]}
  burst:
    zone: cloud
    clearance: internal
    backend: openai
    model: m
    endpoints: [https://api.example/v1, "https://[2001:db8::1]:8443"]
    credential: {env: CLOUD_KEY}
"""
TENANTS = """\
apiVersion: tidegate/v1
classes: {default: {ceiling: internal}, hospital: {ceiling: none}}
tenants: {demo: {class: default, sees: [label]}, ward: {class: hospital}}
"""
ENVIRON = {"CLOUD_KEY": "sk-0123456789abcdef"}
TOKEN = "an-admin-token-of-length"


def make(folder: Path) -> Path:
    """Fill `folder` with files that load."""
    (folder / "secrets").mkdir()
    for name, text in {
        "gateway.yaml": GATEWAY,
        "pools.yaml": POOLS,
        "tenants.yaml": TENANTS,
        "policy.yaml": POLICY.read_text("utf-8"),
    }.items():
        (folder / name).write_text(text, "utf-8")
    write_secret(folder, "root.key", "0123456789abcdef" * 4 + "\n")
    write_secret(folder, "admin.token", TOKEN + "\n")
    return folder


def write_secret(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    path = folder / "secrets" / name
    path.write_text(text, "utf-8")
    path.chmod(mode)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace the one `old` in a file."""
    path = folder / name
    text = path.read_text("utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), "utf-8")
