"""What gateway.yaml asks of clients can be, or is told before anything starts; what is counted of it is told."""

import pytest

from gateway.config import gateway_file
from gateway.core.reading import Reader
from gateway.core.written import parse
from gateway.runtime import credentials
from gateway.settings import load
from tests.cli.folder import write_folder

GATEWAY = """\
apiVersion: tidegate/v1
admin: {token: {file: admin.token}}
root_secret: {file: root.key}
tls: {certificate: {file: c.pem}, key: {file: k.pem}}
clients: {ca: ca.pem}
oidc:
  corp:
    issuer: https://login.example
    audience: tidegate
    keys: {file: keys.json}
    tenant: {claim: tid, values: {a: bank, b: clinic}}
  lab:
    issuer: https://lab.example
    audience: tidegate
    keys: {url: "https://lab.example/certs", ca: lab.pem}
    tenant: {claim: tid, values: {a: bank}}
"""
FILES = ("ca.pem", "keys.json", "lab.pem")


def told(folder, tenants, text=GATEWAY):
    reader = Reader()
    gateway = gateway_file.read(parse(text.encode(), "f").root, reader, {})
    assert not reader.problems
    credentials.check(reader, gateway, folder, tenants)
    return [str(problem) for problem in sorted(reader.problems, key=lambda one: one.line)]


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).touch()
    return tmp_path


def test_what_is_there_is_no_problem(folder):
    assert told(folder, {"bank", "clinic"}) == []


def test_a_tenant_that_does_not_exist_is_told_if_they_are_known(folder):
    assert told(folder, {"bank"}) == ["f:11:47: The tenant `clinic` does not exist. Known: bank."]
    assert told(folder, None) == []


@pytest.mark.parametrize(("name", "place"), [("ca.pem", "f:5:15"), ("keys.json", "f:10:18"), ("lab.pem", "f:15:50")])
def test_a_file_that_is_not_there_is_told(folder, name, place):
    (folder / name).unlink()
    assert told(folder, {"bank", "clinic"}) == [
        f"{place}: This file does not exist. Correct the path; it starts at this folder."
    ]


def test_a_package_that_is_not_installed_is_told_with_the_command(folder, monkeypatch):
    monkeypatch.setattr(credentials, "find_spec", lambda name: None if name == "jwt" else object())
    first, second = told(folder, {"bank", "clinic"})
    assert first.startswith("f:7:3: Tokens of an issuer need packages that are not installed.")
    assert "pip install 'tidegate[oidc]'" in second


def test_without_any_of_it_nothing_is_asked(folder, monkeypatch):
    monkeypatch.setattr(credentials, "find_spec", lambda name: None)
    assert told(folder, set(), GATEWAY.partition("tls:")[0]) == []


def test_a_folder_with_an_unknown_tenant_in_its_tables_does_not_load(tmp_path):
    folder = write_folder(tmp_path / "config")
    own = GATEWAY[GATEWAY.index("oidc:") : GATEWAY.index("  lab:")].replace("clinic", "clinik")
    (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text() + own)
    (folder / "keys.json").touch()
    with pytest.raises(Exception, match=r"The tenant `clinik` does not exist\. Did you mean `clinic`\?"):
        load(folder, {})
