"""The benchmarks keep up with the code: what is measured still exists and still runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "bench"


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "bench" / script), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100)


def test_every_step_that_is_measured_alone_still_runs() -> None:
    ran = _run("micro.py", "--once")
    assert ran.returncode == 0, ran.stderr
    steps = [line.partition(":")[0] for line in ran.stdout.splitlines()]
    assert steps == ["parse", "scan", "scan", "label", "decide", "encode", "mint and door", "stream", "stream"]


def test_every_text_that_is_made_to_stall_a_scan_still_runs(tmp_path: Path) -> None:
    ran = _run("detect.py", "--once", "--only", "evil", "--json", str(tmp_path / "detect.json"))
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads((tmp_path / "detect.json").read_text())["evil, 2,000"]["cases"]) > 55


def test_every_decision_that_is_measured_still_runs() -> None:
    ran = _run("decide.py", "--once")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 6


def test_every_comparison_with_a_candidate_that_is_measured_still_runs() -> None:
    ran = _run("shadow.py", "--once")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 4


def test_the_large_policy_that_is_measured_is_still_proved() -> None:
    ran = _run("prove.py", "--once")
    assert ran.returncode == 0, ran.stderr
    assert "10 of 10" in ran.stdout


def test_the_path_that_is_measured_in_one_process_still_runs(tmp_path: Path) -> None:
    ran = _run("path.py", "--once", "--json", str(tmp_path / "path.json"))
    assert ran.returncode == 0, ran.stderr
    rows = json.loads((tmp_path / "path.json").read_text())["rows"]
    assert [name.partition(":")[0] for name in rows] == ["request", "request", "request", "stream"]
    assert all(row["calls"] > 1 for row in rows.values())


def test_what_a_stored_answer_costs_is_still_measured_and_less_each_time_that_it_is_nearer() -> None:
    ran = _run("cache.py", "--once")
    assert ran.returncode == 0, ran.stderr
    asked, found, body, known = (int(line.split()[-1]) for line in ran.stdout.splitlines()[1:])
    assert 1 < 2 * known < body < found < asked


def test_what_counting_costs_is_still_measured() -> None:
    ran = _run("instruments.py", "--once")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("ours ")
    assert "an account of 500 kinds" in ran.stdout


def test_the_simulated_day_still_runs_and_kept_places_shorten_the_wait_of_what_must_stay(tmp_path: Path) -> None:
    ran = _run("overflow.py", "--once", "--json", str(tmp_path / "day.json"), "--svg", str(tmp_path / "day.svg"))
    assert ran.returncode == 0, ran.stderr
    rows = {row["case"]: row for row in json.loads((tmp_path / "day.json").read_text())["rows"]}
    nothing, two = rows["burst, nothing kept"], rows["burst, 2 of 8 places kept"]
    assert two["sensitive_p99_s"] <= nothing["sensitive_p99_s"] < rows["no burst"]["sensitive_p99_s"]
    assert rows["no burst"]["cloud_tokens"] == 0 < nothing["cloud_tokens"] < two["cloud_tokens"]
    assert (tmp_path / "day.svg").read_text().count("<polyline") == 6


def test_the_simulated_rush_still_runs_and_a_warm_up_leaves_fewer_waiting(tmp_path: Path) -> None:
    ran = _run("warm_up.py", "--once", "--takes", "600", "--json", str(tmp_path / "rush.json"))
    assert ran.returncode == 0, ran.stderr
    always, cold, warmed = json.loads((tmp_path / "rush.json").read_text())["rows"]
    assert (cold["warm_ups"], warmed["warm_ups"]) == (0, 1)
    assert always["others_away"] <= warmed["others_away"] < cold["others_away"]
    assert warmed["billed_hours"] < always["billed_hours"]


def test_the_way_from_the_audit_log_to_the_ledger_is_still_measured() -> None:
    ran = _run("usage.py", "--records", "600")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("first reading: 660 records")


@pytest.mark.slow
def test_a_quick_run_measures_every_row(tmp_path: Path) -> None:
    if not SHARED.exists():
        pytest.skip("the load generator and the mock model server are not beside this repository")
    ran = _run("run.py", "--quick", "--only", "requests", "--json", str(tmp_path / "run.json"))
    assert ran.returncode == 0, ran.stdout
    assert "tidegate, full path, (b) all new, nothing found, 1.3 KB" in (tmp_path / "run.md").read_text()


def test_without_its_tools_it_says_that_nothing_was_measured(tmp_path: Path) -> None:
    # Elsewhere, nothing is beside the repository.
    for script in (ROOT / "bench").glob("*.py"):
        (tmp_path / "repository" / "bench").mkdir(parents=True, exist_ok=True)
        (tmp_path / "repository" / "bench" / script.name).write_bytes(script.read_bytes())
    argv = [sys.executable, str(tmp_path / "repository" / "bench" / "run.py")]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert ran.stdout.startswith("bench: skipped, nothing was measured")


def test_replies_to_sensitive_work_are_mostly_caught_and_harmless_chats_left_alone() -> None:
    ran = _run("taint.py", "--requests", "4000", "--replies", "1000").stdout
    rows = {line[:28].strip(): line[28:].split() for line in ran.splitlines()}
    derived, harmless = rows["derived, all"], rows["harmless, all"]
    assert float(derived[1].rstrip("%")) >= 85.0
    assert derived[2] == "100.00%"
    assert float(harmless[1].rstrip("%")) <= 1.0
