"""What `tidegate doctor` says of money."""

from pathlib import Path

import pytest

from gateway.cli.checkup import State
from gateway.cli.checkup_budget import of_budget
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.policy.words import fill
from gateway.settings import load
from tests.cli.folder import write_folder

PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 1, completion: 1}}}\n"
BUDGET = PRICES + "budgets: {burst: {per_day: 9}}\n"
STORE = "stores: {state: {address: 'unix:/run/valkey.sock'}}\n"


@pytest.mark.parametrize(
    ("tenants", "gateway", "found"),
    [
        ("", "", {"no_prices": State.MISSING, "no_budget": State.MISSING}),
        (PRICES, "", {"no_budget": State.MISSING}),
        (BUDGET, "", {"budget": State.LIVE}),
        (BUDGET, "workers: 4\n", {"budget_in_parts": State.MISSING}),
        (BUDGET, "workers: 4\n" + STORE, {"budget_shared": State.LIVE}),
    ],
)
def test_it_says_whether_money_is_bounded_and_who_counts(
    tmp_path: Path, tenants: str, gateway: str, found: dict[str, State]
) -> None:
    folder = write_folder(tmp_path / "config")
    for name, text in (("tenants", tenants), ("gateway", gateway)):
        with (folder / f"{name}.yaml").open("a") as file:
            file.write(text)
    checks = list(of_budget(load(folder, {})))
    for check in checks:
        for spoken in ("en", "zh"):
            assert "{" not in fill(SAYS, check.key, spoken, **check.gaps)
        assert (check.key in MENDS) == (check.state is not State.LIVE)
    assert {check.key: check.state for check in checks} == found


def test_where_nothing_can_leave_money_is_no_matter(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "config")
    pools, policy = folder / "pools.yaml", folder / "policy.yaml"
    pools.write_text("".join(line for line in pools.read_text().splitlines(True) if "burst" not in line))
    policy.write_text(policy.read_text().replace("[home, burst]", "[home]").replace(", spill: [burst]", ""))
    assert list(of_budget(load(folder, {}))) == []
