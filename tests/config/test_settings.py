"""A folder loads whole or not at all; every problem in every file is told at once, and no secret ever is."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.keys_file import KeyRecord, render
from gateway.core.prices import UNPRICED
from gateway.core.problems import Problems
from gateway.core.topology import ClientCertificate
from gateway.runtime.authn import StoredKey
from gateway.runtime.secret_files import Secret
from gateway.settings import Settings, load, load_admin, load_bundle, load_keys

from .folder import ENVIRON, TENANTS, TOKEN, edit, make, write_secret

PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 2, completion: 8}}}\n"
HASH = "hmac-sha256:" + "0f" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


def told(folder: Path, **environ: str) -> list[str]:
    with pytest.raises(Problems) as raised:
        load(folder, {**ENVIRON, **environ})
    return [str(problem).removeprefix(f"{folder}/") for problem in raised.value.problems]


def loaded(folder: Path) -> Settings:
    return load(folder, ENVIRON)


def test_a_good_folder_becomes_settings_and_a_bundle(folder: Path) -> None:
    settings = loaded(folder)
    assert settings.state_dir == folder / "state"
    assert settings.admin_token() == TOKEN
    assert settings.credential("burst") == b"sk-0123456789abcdef"
    assert settings.credential("home") is None
    assert settings.keyring().cache_salt("a") != settings.keyring().cache_salt("b")
    assert settings.tls is None
    bundle = settings.bundle
    assert [pool.name for pool in bundle.topology.pools] == ["home", "burst"]
    assert bundle.tenants["ward"].ceiling is None
    assert bundle.policy.class_ceilings == {"default": 1, "hospital": None}
    assert (bundle.keys, bundle.epoch, bundle.scanner_digest) == ((), 0, "")


def test_a_price_is_in_the_bundle_and_names_a_pool_and_a_model_that_exist(folder: Path) -> None:
    assert loaded(folder).bundle.prices == UNPRICED
    (folder / "tenants.yaml").write_text(TENANTS + PRICES, "utf-8")
    assert loaded(folder).bundle.prices.cost_micros("burst", 1000, 500) == 6000
    edit(folder, "tenants.yaml", "burst: {prompt: 2,", "brust: {models: {gtp: {prompt: 1, completion: 1}}, prompt: 2,")
    assert told(folder) == ["tenants.yaml:4:33: The pool `brust` does not exist. Did you mean `burst`?"]
    edit(folder, "tenants.yaml", "brust:", "burst:")
    assert [problem.split(". ")[0] for problem in told(folder)] == ["tenants.yaml:4:50: The model `gtp` does not exist"]


def test_a_budget_is_in_the_bundle_and_needs_a_price_for_every_pool_in_the_cloud(folder: Path) -> None:
    assert loaded(folder).bundle.budget is None
    (folder / "tenants.yaml").write_text(TENANTS + PRICES + "budgets: {burst: {per_day: 9}}\n", "utf-8")
    budget = loaded(folder).bundle.budget
    assert budget is not None
    assert budget.whole.money_per_day == 9_000_000
    edit(folder, "tenants.yaml", PRICES, "")
    assert [problem.split(", so")[0] for problem in told(folder)] == [
        "tenants.yaml:4:10: The pool `burst` in the cloud has no price"
    ]


def test_the_bundles_digest_covers_policy_pools_tenants_and_scanner_and_nothing_else(folder: Path) -> None:
    first = loaded(folder).bundle
    assert first.digest == loaded(folder).bundle.digest
    assert first.with_scanner("s").digest != first.digest
    assert first.with_scanner("s").policy is first.policy
    assert replace(first, models_digest="m").digest not in {first.digest, replace(first, models_digest="n").digest}
    seen = {first.digest}
    for name, old, new in (
        ("policy.yaml", "version: 1 ", "version: 2 "),
        ("pools.yaml", "https://api.example/v1", "https://api.example/v2"),
        ("tenants.yaml", "sees: [label]", "sees: [pool]"),
    ):
        edit(folder, name, old, new)
        seen.add(loaded(folder).bundle.digest)
    assert len(seen) == 4
    edit(folder, "gateway.yaml", "apiVersion", "workers: 2\napiVersion")
    (folder / "keys.yaml").write_text(render([KeyRecord("key_00000001", "demo", HASH, "2026-11-21T10:00:00Z")]))
    assert loaded(folder).bundle.digest in seen


def test_what_is_decided_by_is_read_without_secrets_and_keys(folder: Path) -> None:
    (folder / "keys.yaml").write_text(render([KeyRecord("key_00000001", "demo", HASH, "2026-11-21T10:00:00Z")]))
    whole = loaded(folder).bundle
    for name in ("root.key", "admin.token"):
        (folder / "secrets" / name).unlink()
    policy_file, bundle = load_bundle(folder, {})
    assert policy_file == folder / "policy.yaml"
    assert (bundle.digest, bundle.topology, bundle.tenants) == (whole.digest, whole.topology, whole.tenants)
    assert bundle.keys == ()
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    edit(folder, "pools.yaml", "backend: vllm", "backend: vlm")
    with pytest.raises(Problems) as raised:
        load_bundle(folder, {})
    assert [Path(problem.file).name for problem in raised.value.problems] == ["policy.yaml", "pools.yaml"]
    (folder / "gateway.yaml").write_text("")
    with pytest.raises(Problems) as raised:
        load_bundle(folder, {})
    assert {Path(problem.file).name for problem in raised.value.problems} == {
        "gateway.yaml", "policy.yaml", "pools.yaml",
    }  # fmt: skip


def test_keys_are_read_and_nobody_has_one_without_the_file(folder: Path) -> None:
    record = KeyRecord("key_00000001", "demo", HASH, "2026-11-21T10:00:00Z", "laptop")
    assert load_keys(folder, ENVIRON) == (folder / "keys.yaml", ())
    (folder / "keys.yaml").write_text(render([record]))
    assert loaded(folder).bundle.keys == (StoredKey("key_00000001", "demo", HASH),)
    assert load_keys(folder, ENVIRON) == (folder / "keys.yaml", (record,))
    edit(folder, "keys.yaml", "demo", "nobody")
    assert "The tenant `nobody` does not exist." in told(folder)[0]
    (folder / "keys.yaml").write_text("keys: [")
    with pytest.raises(Problems):
        load_keys(folder, ENVIRON)
    (folder / "gateway.yaml").write_text("")
    with pytest.raises(Problems):
        load_keys(folder, ENVIRON)


def test_every_problem_of_every_file_is_told_at_once(folder: Path) -> None:
    edit(folder, "gateway.yaml", "apiVersion", "workers: x\napiVersion")
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    edit(folder, "pools.yaml", "backend: vllm", "backend: vlm")
    edit(folder, "tenants.yaml", "ceiling: internal", "ceiling: restricted")
    write_secret(folder, "admin.token", "short")
    (folder / "keys.yaml").write_text("apiVersion: tidegate/v1\n")
    problems = told(folder, CLOUD_KEY="")
    assert [problem.split(":")[0] for problem in problems] == [
        "gateway.yaml", "gateway.yaml", "keys.yaml", "policy.yaml", "pools.yaml", "pools.yaml", "tenants.yaml",
    ]  # fmt: skip
    # The policy names a pool that pools.yaml failed to describe: that is one mistake, not two.
    assert "US_SNN" in problems[3]


def test_a_bad_policy_does_not_make_good_pools_and_tenants_look_bad(folder: Path) -> None:
    edit(folder, "policy.yaml", "cloud_ceiling: internal", "cloud_ceiling: intern")
    assert len(told(folder)) == 1
    edit(folder, "policy.yaml", "labels: [public, internal, confidential, restricted]", "labels: []")
    assert ["`labels` must not be empty" in problem for problem in told(folder)] == [True]


def test_a_missing_file_is_one_problem_and_the_rest_is_still_read(folder: Path) -> None:
    for name in ("policy.yaml", "pools.yaml", "tenants.yaml", "gateway.yaml"):
        (folder / name).unlink()
    names = ("gateway.yaml", "policy.yaml", "pools.yaml", "tenants.yaml")
    assert told(folder) == [f"{name}: The file does not exist. Create it." for name in names]


def test_a_file_that_cannot_be_read_is_told_without_the_systems_words(folder: Path) -> None:
    (folder / "pools.yaml").unlink()
    (folder / "pools.yaml").mkdir()
    assert told(folder) == ["pools.yaml: The file cannot be read (IsADirectoryError)."]


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("0123456789abcdef" * 4, 0o644, "Everybody on this machine can read this secret's file. Run `chmod 600"),
        ("0123456789abcdef", 0o600, "This secret must be at least 32 bytes as hex or base64."),
        ("not a key, not at all, but long enough to be one", 0o600, "This secret must be at least 32 bytes"),
        (" \n", 0o600, "This secret is not set, or empty."),
        ("ключ" * 20, 0o600, "This secret's file holds bytes that are not text."),
    ],
)
def test_a_secret_that_protects_nothing_is_refused(folder: Path, text: str, mode: int, sentence: str) -> None:
    write_secret(folder, "root.key", text, mode)
    problems = told(folder)
    assert len(problems) == 1
    assert problems[0].startswith("gateway.yaml:3:")
    assert sentence in problems[0]
    assert text.strip() == "" or text not in problems[0]


def test_a_secret_that_is_not_there_is_told(folder: Path) -> None:
    (folder / "secrets" / "root.key").unlink()
    (folder / "secrets" / "admin.token").unlink()
    (folder / "secrets" / "admin.token").mkdir(mode=0o700)
    assert [problem.split(": ", 1)[1] for problem in told(folder)] == [
        "This secret's file cannot be read (IsADirectoryError). Check its owner.",
        "This secret's file does not exist. `openssl rand -hex 32` makes one.",
    ]
    assert "This secret is not set, or empty." in told(make_again(folder), CLOUD_KEY="")[0]


def make_again(folder: Path) -> Path:
    (folder / "secrets" / "admin.token").rmdir()
    write_secret(folder, "admin.token", TOKEN)
    write_secret(folder, "root.key", "0123456789abcdef" * 4)
    return folder


def test_the_admin_port_and_its_token_are_read_without_anything_else(folder: Path) -> None:
    for name in ("policy.yaml", "pools.yaml", "tenants.yaml", "secrets/root.key"):
        (folder / name).unlink()
    where, token = load_admin(folder, {"TIDEGATE_ADMIN_LISTEN": "unix:/run/admin.sock"})
    assert (str(where), token.reveal()) == ("unix:/run/admin.sock", TOKEN)
    for text in ("", "apiVersion: tidegate/v1\nadmin: {token: {env: NOT_SET}}\nroot_secret: {env: ROOT}\n"):
        (folder / "gateway.yaml").write_text(text)
        with pytest.raises(Problems):
            load_admin(folder, {})


def test_metrics_may_have_a_token_of_their_own_that_is_not_the_admins(folder: Path) -> None:
    assert loaded(folder).metrics_token() is None
    edit(folder, "gateway.yaml", "admin.token}}", "admin.token}, metrics_token: {file: secrets/metrics.token}}")
    write_secret(folder, "metrics.token", "another-token-of-length")
    assert loaded(folder).metrics_token() == "another-token-of-length"
    write_secret(folder, "metrics.token", TOKEN)
    assert [problem.split(": ", 1)[1] for problem in told(folder)] == [
        "The metrics token must not be the admin token. `openssl rand -hex 32` makes one."
    ]
    write_secret(folder, "metrics.token", "short")
    assert "This secret must be at least 20" in told(folder)[0]


@pytest.mark.parametrize("value", ["two words", "line\nline", "schlüssel"])
def test_a_credential_is_one_line_that_a_header_can_hold(folder: Path, value: str) -> None:
    problems = told(folder, CLOUD_KEY=value)
    assert ["This secret must be one line of letters, digits and signs." in problem for problem in problems] == [True]
    assert value not in problems[0]


def test_certificates_are_looked_for_and_become_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(
        folder,
        "gateway.yaml",
        "apiVersion",
        "tls: {certificate: {file: c.pem}, key: {file: secrets/k.pem}}\napiVersion",
    )
    edit(folder, "pools.yaml", "credential:", "tls: {ca: ca.pem}\n    credential:")
    assert [problem.split(": ", 1)[1].split(".")[0] for problem in told(folder)] == [
        "This file does not exist", "This secret's file does not exist", "This file does not exist",
    ]  # fmt: skip
    for name in ("c.pem", "ca.pem"):
        (folder / name).write_text("x")
    write_secret(folder, "k.pem", "x")
    monkeypatch.chdir(folder.parent)
    settings = load(Path(folder.name), ENVIRON)
    assert settings.tls == (folder / "c.pem", folder / "secrets" / "k.pem")
    assert settings.bundle.topology.pool("burst").ca_file == str(folder / "ca.pem")


def test_what_a_pool_shows_of_itself_becomes_absolute_and_its_key_is_nobody_elses(folder: Path) -> None:
    show = "tls: {certificate: c.pem, key: {file: secrets/c.key}}\n    credential:"
    edit(folder, "pools.yaml", "credential:", show)
    assert [problem.split(": ", 1)[1].split(".")[0] for problem in told(folder)] == [
        "This file does not exist", "This secret's file does not exist",
    ]  # fmt: skip
    (folder / "c.pem").write_text("x")
    write_secret(folder, "c.key", "x", 0o644)
    assert "Everybody on this machine can read this secret's file." in told(folder)[0]
    write_secret(folder, "c.key", "x")
    pool = loaded(folder).bundle.topology.pool("burst")
    assert pool.certificate == ClientCertificate(str(folder / "c.pem"), str(folder / "secrets" / "c.key"))
    assert pool.ca_file is None


def test_the_cap_on_all_clouds_together_is_kept(folder: Path) -> None:
    edit(folder, "pools.yaml", "pools:\n", "burst: {max_in_flight: 7}\npools:\n")
    assert loaded(folder).bundle.topology.most_in_cloud == 7


def test_a_pools_aws_keys_are_read_and_shown_to_nobody(folder: Path) -> None:
    block = (
        "backend: sagemaker\n    sagemaker: {region: eu-central-1, credentials: "
        "{access_key: {env: A}, secret_key: {env: B}, session_token: {env: C}}}\n"
    )
    edit(folder, "pools.yaml", "backend: openai\n", block)
    edit(folder, "pools.yaml", '[https://api.example/v1, "https://[2001:db8::1]:8443"]', "[https://a/endpoints/b]")
    edit(folder, "pools.yaml", "    credential: {env: CLOUD_KEY}\n", "")
    settings = load(folder, {"A": "AKIDEXAMPLE", "B": "hunter2hunter2", "C": "token-of-a-session"})
    keys = settings.aws_keys["burst"]
    assert (keys.access_key.reveal(), keys.secret_key.reveal()) == ("AKIDEXAMPLE", "hunter2hunter2")
    assert keys.session_token is not None
    assert keys.session_token.reveal() == "token-of-a-session"
    assert "hunter2" not in repr(settings)
    with pytest.raises(Problems) as raised:
        load(folder, {"A": "AKIDEXAMPLE", "B": "two lines\nhunter2", "C": ""})
    assert len(raised.value.problems) == 2
    assert "hunter2" not in str(raised.value)
    edit(folder, "pools.yaml", ", session_token: {env: C}", "")
    settings = load(folder, {"A": "AKIDEXAMPLE", "B": "hunter2hunter2"})
    assert settings.aws_keys["burst"].session_token is None


def test_a_sagemaker_pool_without_the_package_for_it_does_not_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.settings.find_spec", lambda name: None)
    assert loaded(folder)
    edit(folder, "pools.yaml", "backend: openai\n", "backend: sagemaker\n    sagemaker: {region: eu-central-1}\n")
    edit(folder, "pools.yaml", '[https://api.example/v1, "https://[2001:db8::1]:8443"]', "[https://a/endpoints/b]")
    edit(folder, "pools.yaml", "    credential: {env: CLOUD_KEY}\n", "")
    (problem,) = told(folder)
    assert problem.startswith("pools.yaml:1:1: A pool with `backend: sagemaker` needs the package `botocore`.")


def test_whoever_needs_the_models_does_not_load_without_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.detect.ner_models.are_installed", lambda: False)
    assert loaded(folder).bundle.models_digest == ""
    edit(folder, "policy.yaml", "tiers: [structured, names]", "tiers: [structured, names, ner]")
    edit(folder, "tenants.yaml", "hospital: {ceiling: none}", "hospital: {ceiling: none, full_scan: always}")
    assert told(folder) == [
        "policy.yaml:19:30: The tier `ner` needs models, which are not installed. Run `pip install 'tidegate[ner]'`.",
        "tenants.yaml:2:78: A full scan needs models, which are not installed. Run `pip install 'tidegate[ner]'`.",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("policy.yaml", "tiers: [structured, names]", "tiers: [structured, ner]"),
        ("tenants.yaml", "hospital: {ceiling: none}", "hospital: {ceiling: none, full_scan: always}"),
    ],
)
def test_models_that_somebody_needs_are_part_of_the_bundle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str
) -> None:
    monkeypatch.setattr("gateway.detect.ner_models.are_installed", lambda: True)
    monkeypatch.setattr("gateway.detect.ner_models.models_digest", lambda: "of the models")
    assert loaded(folder).bundle.models_digest == ""
    edit(folder, name, old, new)
    assert loaded(folder).bundle.models_digest == "of the models"


def test_nothing_that_prints_settings_prints_a_secret(folder: Path) -> None:
    settings = loaded(folder)
    shown = repr(settings) + str(settings.credentials) + f"{settings.root_secret}"
    for secret in (TOKEN, "sk-0123456789abcdef", "0123456789abcdef"):
        assert secret not in shown
    assert repr(Secret("x")) == "Secret(…)"


def test_loading_reads_and_writes_nothing(folder: Path) -> None:
    before = sorted(os.listdir(folder))
    loaded(folder)
    assert sorted(os.listdir(folder)) == before
    assert (folder / "tenants.yaml").read_text() == TENANTS
