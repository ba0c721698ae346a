"""A small configuration on disk for the command line's tests."""

from pathlib import Path

POLICY = """\
apiVersion: tidegate/v1
version: 1
labels: [public, internal, restricted]
cloud_ceiling: internal
label:
  default: internal
  unscanned: restricted
  unmapped: restricted
  may_leave: []
  rules:
    - {any_of: [US_SSN], label: restricted}
zones:
  onprem: {networks: [127.0.0.0/8]}
  cloud: {networks: any}
models:
  chat: {pools: [home, burst]}
routes:
  - {id: keep-home, when: {label: ">= restricted"}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}
invariants:
  - {id: N1, never: {label: ">= restricted", zone: cloud}}
...
"""
POOLS = """\
apiVersion: tidegate/v1
pools:
  home: {zone: onprem, clearance: restricted, backend: vllm, model: m, endpoints: [http://127.0.0.1:9]}
  burst: {zone: cloud, clearance: internal, backend: openai, model: m, endpoints: [https://127.0.0.1:9]}
"""
TENANTS = """\
apiVersion: tidegate/v1
classes: {default: {ceiling: internal}}
tenants: {bank: {class: default}, clinic: {class: default}}
"""
GATEWAY = """\
apiVersion: tidegate/v1
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: {file: admin.token}}
state_dir: state
root_secret: {file: root.key}
"""
ROOT = bytes(range(32))


def write_folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    files = {"gateway": GATEWAY, "pools": POOLS, "tenants": TENANTS, "policy": POLICY}
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    for name, secret in {"root.key": ROOT.hex(), "admin.token": "t" * 40}.items():
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    return folder
