"""What is said of files that do not come into force: fixed codes, how far they got, and a digest of what they were."""

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from gateway.cli import prepare
from gateway.cli.prepare import Refused, loaded
from gateway.cli.proved import logged
from gateway.config.signers_file import signer_line
from gateway.core.audit_record import SignedBy
from gateway.core.records import RefusalCode
from gateway.runtime import bundle_shelf, certified
from gateway.runtime.keyring import Purpose
from gateway.runtime.upgrade import MOST_PROBLEMS, NotLoaded, prepare_command
from tests.cli.policy_runs import run
from tests.config.folder import ENVIRON, edit, make

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").mkdir()
    return make(tmp_path / "config")


def not_loaded(folder: Path) -> NotLoaded:
    with pytest.raises(Refused) as caught:
        loaded(folder, logged())
    return caught.value.not_loaded


def half(folder: Path) -> None:
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text()[:900])


def state_is_a_file(folder: Path) -> None:
    (folder / "state").write_text("")


def asks_for_signatures(folder: Path) -> None:
    (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text() + "signatures: {required: true}\n")
    (folder / "signers.yaml").write_text(
        "\n".join(("apiVersion: tidegate/v1", "signers:", signer_line("chen", bytes(32))))
    )


def says_what_does_not_hold(folder: Path) -> None:
    edit(
        folder,
        "policy.yaml",
        "  - {id: N3, total",
        '  - {id: N9, never: {label: ">= internal", zone: cloud}}\n  - {id: N3, total',
    )


@pytest.mark.parametrize(
    ("spoil", "code", "got_so_far"),
    [
        (half, "unreadable", False),
        (lambda folder: (folder / "tenants.yaml").unlink(), "unreadable", False),
        (lambda folder: (folder / "gateway.yaml").write_text("workers: [\n"), "unreadable", False),
        (lambda folder: edit(folder, "tenants.yaml", "ceiling: none", "ceiling: nonesuch"), "problems", False),
        (says_what_does_not_hold, "not_proved", False),
        (asks_for_signatures, "unsigned", True),
        (state_is_a_file, "state", True),
    ],
)
def test_why_files_are_refused_is_a_fixed_code(folder: Path, spoil, code: str, got_so_far: bool) -> None:
    spoil(folder)
    found = not_loaded(folder)
    assert found.codes == (RefusalCode(code),)
    assert found.count == len(found.problems) >= 1
    assert len(found.files) == 64
    assert (bool(found.bundle), bool(found.certificate), found.version > 0) == (got_so_far,) * 3


def test_files_that_change_while_they_are_read_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepare._seen(folder)
    load_proved = prepare.load_proved

    def slow(*arguments):
        found = load_proved(*arguments)
        edit(folder, "tenants.yaml", "ward: {class: hospital}", "ward: {class: default}")
        return found

    monkeypatch.setattr(prepare, "load_proved", slow)
    found = not_loaded(folder)
    assert (found.codes, found.files) == ((RefusalCode.CHANGED,), bundle_shelf.digest_of(before))
    assert not (folder / "state").exists()


def test_every_reason_of_the_signers_is_told(folder: Path, capsys: Capsys) -> None:
    (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text() + "signatures: {required: true}\n")
    lines = []
    for name in ("li.wei", "chen"):
        lines.append(json.loads(run(capsys, "signer", name, "--key", folder / f"{name}.pem", "--json")[1])["line"])
    (folder / "signers.yaml").write_text("\n".join(("apiVersion: tidegate/v1", "signers:", *lines, "")))
    for name in ("li.wei", "chen"):
        assert run(capsys, "sign", "--config", folder, "--key", folder / f"{name}.pem")[0] == 0
    settings, prepared = loaded(folder, logged())
    key = settings.keyring().keyed_hash(Purpose.CERTIFICATES)
    assert certified.check(prepared.certificate, key, prepared.bundle) == prepared.proof
    names = certified.signed_by(prepared.certificate)
    assert [one.name for one in names] == ["chen", "li.wei"] or [one.name for one in names] == ["li.wei", "chen"]
    assert len({one.key for one in names}) == 2
    assert all(isinstance(one, SignedBy) and len(one.key) == 16 for one in names)
    kept = folder / "state" / certified.FOLDER / f"{prepared.bundle}.json"
    assert certified.signed_by(kept.read_bytes()) == names

    edit(folder, "tenants.yaml", "ward: {class: hospital}", "ward: {class: default}")
    assert run(capsys, "sign", "--config", folder, "--key", folder / "chen.pem")[0] == 0
    assert set(not_loaded(folder).codes) == {RefusalCode.ALONE, RefusalCode.VERSION_TAKEN}
    book = folder / "state" / "activations.json"
    book.write_bytes(book.read_bytes().replace(b'"version":1', b'"version":0'))
    assert not_loaded(folder).codes == (RefusalCode.BOOK,)


def test_the_child_says_it_on_standard_output_and_the_sentences_on_standard_error(folder: Path) -> None:
    (folder / "tenants.yaml").write_text(
        "apiVersion: tidegate/v1\nclasses: {default: {ceiling: internal}}\ntenants:\n"
        + "".join(f"  t{n}: {{class: nobody}}\n" for n in range(MOST_PROBLEMS + 5))
    )
    done = subprocess.run(prepare_command(str(folder)), capture_output=True, timeout=60)
    said = msgspec.json.decode(done.stdout, type=NotLoaded)
    assert (done.returncode, said.code) == (1, RefusalCode.PROBLEMS)
    assert (len(said.problems), said.count) == (MOST_PROBLEMS, MOST_PROBLEMS + 5)
    assert said.problems[0].line == 4
    assert done.stderr.count(b"tenants.yaml:") >= said.count
    refusal = msgspec.json.encode(said.refusal(1.0, "b"))
    assert b"nobody" not in refusal
    assert b"tenants" not in refusal
