"""gateway.yaml: what it says, what it says when it says nothing, and what the environment says instead."""

import pytest

from gateway.config.addresses import Tcp, Unix
from gateway.config.gateway_file import OVERRIDES, Admin, Files, GatewayFile, Limits, Ner, TlsFiles
from gateway.config.gateway_file import read as read_gateway
from gateway.config.secret_source import SecretEnv, SecretFile
from gateway.core.written import Place

from .reading import read

LEAST = """\
apiVersion: tidegate/v1
admin: {token: {file: secrets/admin.token}}
root_secret: {env: ROOT}
"""
WHOLE = """\
apiVersion: tidegate/v1
listen: unix:/run/a.sock
admin: {listen: 127.0.0.1:9, token: {file: secrets/admin.token}, metrics_token: {env: SCRAPE}}
state_dir: /var/lib/tidegate
root_secret: {env: ROOT}
workers: 4
replicas: 3
files: {policy: p.yaml, pools: q.yaml, tenants: t.yaml, keys: k.yaml, shadow: s.yaml}
limits: {body: 1MiB, headers: 16KiB, receive: 5s, drain: 0s, scan_inline: 0, home_only_above: 64KiB}
tls: {certificate: {file: c.pem}, key: {file: k.pem}}
audit: {buffer: 64}
history: {keep: 2h}
ner: {workers: 3, queue: 0, deadline: 500ms, longest: 5000}
"""


def told(text: str, **environ: str) -> tuple[GatewayFile | None, list[str]]:
    return read(text, lambda root, reader: read_gateway(root, reader, environ))


def test_what_is_not_said_is_usual() -> None:
    gateway, problems = told(LEAST)
    token = SecretFile("secrets/admin.token", Place("f", 2, 23))
    root = SecretEnv("ROOT", Place("f", 3, 20))
    assert problems == []
    assert gateway == GatewayFile(Tcp("127.0.0.1", 8080), Admin(Tcp("127.0.0.1", 8081), token), root)
    assert (str(token), str(root)) == ("{file: secrets/admin.token}", "{env: ROOT}")


def test_everything_can_be_said() -> None:
    gateway, problems = told(WHOLE)
    assert problems == []
    assert gateway is not None
    assert (gateway.listen, gateway.admin.listen) == (Unix("/run/a.sock"), Tcp("127.0.0.1", 9))
    assert str(gateway.admin.metrics_token) == "{env: SCRAPE}"
    assert (gateway.state_dir, gateway.workers, gateway.audit_buffer) == ("/var/lib/tidegate", 4, 64)
    assert gateway.history_s == 7200.0
    assert gateway.replicas == 3
    assert gateway.ner == Ner(workers=3, queue=0, deadline_s=0.5, longest=5000)
    assert gateway.files == Files("p.yaml", "q.yaml", "t.yaml", "k.yaml", shadow="s.yaml")
    assert gateway.limits == Limits(1 << 20, 16 << 10, 5.0, 0.0, 0, 64 << 10)
    assert isinstance(gateway.tls, TlsFiles)
    assert (gateway.tls.certificate.path, gateway.tls.key.path) == ("c.pem", "k.pem")


def test_two_questions_may_wait_for_each_model_process_unless_it_is_said_otherwise() -> None:
    gateway, problems = told(LEAST + "ner: {workers: 4}\n")
    assert problems == []
    assert gateway is not None
    assert gateway.ner == Ner(workers=4, queue=8)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ner: {workers: 0}", "4:16: `ner.workers` must be a whole number from 1 to 64."),
        ("ner: {queue: -1}", "4:14: `ner.queue` must be a whole number"),
        ("ner: {deadline: 1m}", "4:17: `ner.deadline` must be between 0.1s and 30s."),
        ("ner: {longest: 1}", "4:16: `ner.longest` must be a whole number"),
        ("ner: {model: large}", "4:7: `ner` has no key `model`."),
        ("listen: 8080", "4:9: `listen` must be an address. Write"),
        ("replicas: 0", "4:11: `replicas` must be a whole number from 1 to 10000."),
        ("workers: 0", "4:10: `workers` must be a whole number from 1 to 256."),
        ("audit: {buffer: 1}", "4:17: `audit.buffer` must be a whole number"),
        ("limits: {body: 8MB}", "4:16: `limits.body` must be a size"),
        ("limits: {receive: 0s}", "4:19: `limits.receive` must be between 1s and 600s."),
        ("files: {policy: []}", "4:17: `files.policy` must be a text that is not empty."),
        ("port: 8080", "4:1: The gateway file has no key `port`."),
        ("tls: {certificate: {file: c.pem}}", "4:6: `tls` lacks the key `key`. Add it."),
        (
            "tls: {certificate: {env: C}, key: {file: k}}",
            "4:26: `tls.certificate` must be a file. Write `{file: path}`.",
        ),
        ("tls: {certificate: {file: c}, key: {env: K}}", "4:42: `tls.key` must be a file. Write `{file: path}`."),
    ],
)
def test_a_fault_is_told_in_place(line: str, expected: str) -> None:
    _, problems = told(LEAST + line + "\n")
    assert len(problems) == 1
    assert problems[0].startswith(expected)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("hunter2", "The root secret must not stand in this file itself. Write `{file: path}` or `{env: NAME}`"),
        ("{file: a, env: B}", "The root secret comes from exactly one place."),
        ("{}", "The root secret comes from exactly one place."),
        ("{env: 'NOT A NAME'}", "This is not the name of an environment variable."),
        ("[a]", "The root secret must be a group of keys."),
    ],
)
def test_a_secret_is_never_in_the_file(secret: str, sentence: str) -> None:
    gateway, problems = told(LEAST.replace("{env: ROOT}", secret))
    assert gateway is None
    assert sentence in problems[0]
    assert "hunter2" not in str(problems)


def test_what_cannot_be_done_without_is_missed() -> None:
    gateway, problems = told("apiVersion: tidegate/v1\n")
    assert gateway is None
    assert problems == [
        "1:1: The gateway file lacks the key `admin`. Add it.",
        "1:1: The gateway file lacks the key `root_secret`. Add it.",
    ]


def test_the_environment_stands_in_for_scalars_and_for_nothing_else() -> None:
    gateway, problems = told(
        WHOLE, TIDEGATE_LISTEN="[::1]:1", TIDEGATE_ADMIN_LISTEN="127.0.0.1:2", TIDEGATE_LIMITS_BODY="2MiB",
        TIDEGATE_PORT_8080_TCP="tcp://10.0.0.1", TIDEGATE_WORKERS="", TIDEGATE_ROOT_SECRET="x",
    )  # fmt: skip
    assert problems == []
    assert gateway is not None
    assert (str(gateway.listen), str(gateway.admin.listen), gateway.workers) == ("[::1]:1", "127.0.0.1:2", 4)
    assert gateway.limits.body == 2 << 20
    assert "TIDEGATE_STATE_DIR" in OVERRIDES
    gateway, problems = told(LEAST, TIDEGATE_FILES_POLICY="other.yaml")
    assert gateway is not None
    assert gateway.files == Files(policy="other.yaml")


def test_a_fault_in_the_environment_names_the_variable() -> None:
    _, problems = told(LEAST, TIDEGATE_WORKERS="many")
    assert problems == ["environment variable TIDEGATE_WORKERS: `workers` must be a whole number from 1 to 256."]


def test_the_environment_does_not_mend_a_file_that_is_none() -> None:
    for text in ("[]\n", "admin: []\n", "admin:\n"):
        gateway, problems = told(text, TIDEGATE_ADMIN_LISTEN="127.0.0.1:1")
        assert gateway is None
        assert problems != []
