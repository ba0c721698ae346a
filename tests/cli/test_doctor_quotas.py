"""What `tidegate doctor` says of limits."""

from pathlib import Path

import pytest

from gateway.cli.checkup import State
from gateway.cli.checkup_quotas import of_quotas
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.policy.words import fill
from gateway.settings import load
from tests.cli.folder import write_folder

STORE = "stores: {state: {address: 'unix:/run/valkey.sock'}}\n"
LIMITS = "limits: {requests_per_minute: 60}, "


@pytest.mark.parametrize(
    ("limits", "gateway", "said"),
    [
        ("", STORE, {}),
        (LIMITS, "", {"quotas_here": State.LIVE}),
        (LIMITS, STORE + "replicas: 2\n", {"quotas_shared": State.LIVE}),
        (LIMITS, "workers: 2\n", {"quotas_in_parts": State.MISSING}),
        (LIMITS, "replicas: 2\n", {"quotas_in_parts": State.WRONG}),
    ],
)
def test_limits_are_counted_for_all_or_it_is_said_that_they_are_not(tmp_path: Path, limits, gateway, said) -> None:
    folder = write_folder(tmp_path / "config")
    tenants = folder / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace("{class: default", f"{{{limits}class: default"))
    text = (folder / "gateway.yaml").read_text()
    if "workers" in gateway:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("workers")) + "\n"
    (folder / "gateway.yaml").write_text(text + gateway)
    checks = list(of_quotas(load(folder, {})))
    assert {check.key: check.state for check in checks} == said
    for check in checks:
        for spoken in ("en", "zh"):
            assert "{" not in fill(SAYS, check.key, spoken, **check.gaps)
            assert (check.key in MENDS) == (check.state is not State.LIVE)
