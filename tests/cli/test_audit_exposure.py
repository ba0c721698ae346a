"""`tidegate audit exposure`: what is asked, what is said, and how it ends."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import Activation, Header, Origin
from gateway.core.keyed_hash import KeyedHash
from gateway.core.records import Attempt, Ending, Intent
from gateway.detect.editions import editions
from gateway.runtime.audit_dispatches import dispatches
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.config.folder import ENVIRON, make
from tests.core.audit_values import outcome

Capsys = pytest.CaptureFixture[str]
ENTITY = "CN_RESIDENT_ID"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
LABELS = ("public", "internal", "confidential", "restricted")


def write(folder: Path, records, boot: str, part: int = 0) -> Path:
    name = f"2026110{part + 1}T000000Z-w0-{boot}-{part:04d}"
    path = folder / f"{name}.jsonl"
    lines, last = [], START
    header = Header(name, 0, boot, part, NOON, NOON, START.hex())
    for seq, entry in enumerate([header, *records]):
        line, last = seal(last, seq, entry, KeyedHash(b"audit"))
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return path


def activation(bundle: str, at: float, edition: str, build: str) -> Activation:
    return Activation(at, bundle, LABELS, "c", "", Origin(7, build, (), "s", "", {ENTITY: edition}))


def went(request_id: str, at: float, bundle: str, status: int | None = 200, zone: str = "cloud"):
    return outcome(
        request_id, at=at, bundle=bundle, attempts=(Attempt("burst", zone, "e", Ending.COMPLETED, status, 5.0),)
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, and a log: two bundles, the second one with what the files have now; and an old log's part."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    folder = make(tmp_path)
    audit = folder / "state" / "audit"
    audit.mkdir(parents=True)
    now = editions(())[ENTITY]
    write(audit, [Activation(NOON - 9 * HOUR, "c" * 64, LABELS), went("ancient", NOON - 8 * HOUR, "c" * 64)], "oo")
    write(
        audit,
        [
            activation("a" * 64, NOON, "aaaaaaaaaaaa", "1.2.0"),
            went("left", NOON + 60, "a" * 64),
            went("stayed", NOON + 61, "a" * 64, zone="onprem"),
            Intent("open", NOON + 70, "demo", "burst", "cloud", "internal", "rest", "a" * 64, 1, "00"),
            Intent("parted", NOON + 71, "demo", "burst", "cloud", "internal", "rest", "a" * 64, 1, "00"),
        ],
        "pp",
        1,
    )
    # The outcome of the last one is in the next segment of that process, and nothing had left.
    write(audit, [went("parted", NOON + 80, "a" * 64, zone="onprem"), outcome("other", at=NOON + 81)], "pp", 2)
    write(
        audit,
        [activation("b" * 64, NOON + 2 * HOUR, now, "1.3.0"), went("mended", NOON + 3 * HOUR, "b" * 64)],
        "qq",
        3,
    )
    return folder


def run(capsys: Capsys, folder: Path, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    command = ["audit", "exposure", "--config", str(folder), *map(str, arguments)]
    status = main(command)
    out, err = capsys.readouterr()
    return status, out, err


def told(capsys: Capsys, folder: Path, *arguments: object) -> dict:
    status, out, err = run(capsys, folder, "--json", *arguments)
    assert err == ""
    found = json.loads(out)
    assert found["ok"] is (status == 0)
    return found


def ids(found: dict) -> dict[str, str]:
    return {one["request_id"]: f"{one['sent']} {one['age']}" for one in found["dispatches"]}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--detector", "<now"), {"left": "sent older", "open": "perhaps older", "ancient": "sent unknown"}),
        (("--detector", "<1.3"), {"left": "sent older", "open": "perhaps older", "ancient": "sent unknown"}),
        (("--detector", "<1.3", "--since", "2026-11-01"), {"left": "sent older", "open": "perhaps older",
                                                           "ancient": "sent unknown"}),
        (("--detector", "<1.3", "--since", "2026-11-01T12:00Z"), {"left": "sent older", "open": "perhaps older"}),
        (("--detector", "<1.3", "--before", "2026-11-01T12:01:05"), {"left": "sent older", "ancient": "sent unknown"}),
        (("--detector", "<policy:7"), {"ancient": "sent unknown"}),
        (("--detector", "<aaaaaa"), {"ancient": "sent unknown"}),
        (("--bundle", "BBBB"), {"mended": "sent older"}),
        (("--before", "0m", "--bundle", "a"), {"left": "sent older", "open": "perhaps older"}),
        (("--before", "2026-10-01"), {}),
    ],
)  # fmt: skip
def test_what_left_before_something_is_found(folder: Path, capsys: Capsys, arguments, expected) -> None:
    assert ids(told(capsys, folder, "--entity", ENTITY, *arguments)) == expected


def test_the_page_says_how_much_and_whose_in_two_languages(folder: Path, capsys: Capsys) -> None:
    asked = ("--entity", ENTITY, "--detector", "<now")
    status, out, _ = run(capsys, folder, *asked, "--language", "en")
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith(f"2 requests were sent to the cloud and 1 may have been, while what looked for {ENTITY}")
    assert "Of 1 of these the log does not say what looked for what." in out
    assert "1 more were sent while that was as good as it is asked for, or better." in out
    assert any(line.split() == ["2026-11-01T12:01:00Z", "left", "demo", "burst", "-", "sent"] for line in lines)
    status, out, _ = run(capsys, folder, *asked, "--language", "zh")
    assert "有 2 个请求已发往云端，1 个可能已发出。" in out
    status, out, _ = run(capsys, folder, "--before", "2026-10-01", "--language", "en")
    assert (status, out) == (0, "Nothing was sent to the cloud in the time and under the bundles that were named.\n")


def test_many_are_cut_on_the_page_and_whole_in_csv(folder: Path, capsys: Capsys) -> None:
    many = [went(f"r{n:02}", NOON + n, "a" * 64) for n in range(30)]
    write(folder / "state" / "audit", [activation("a" * 64, NOON, "aaaaaaaaaaaa", "1.2.0"), *many], "ss", 4)
    asked = ("--detector", "<1.3", "--since", "2026-11-01T12:00")
    _, out, _ = run(capsys, folder, *asked, "--language", "en")
    assert "and 12 more: --csv or --json lists all" in out
    status, out, _ = run(capsys, folder, *asked, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, len(rows)) == (1, 32)
    assert rows[0] == {
        "request_id": "r00", "at": "2026-11-01T12:00:00Z", "tenant": "demo", "app": "", "pool": "burst",
        "zone": "cloud", "label": "-", "route": "", "bundle": "a" * 64, "sent": "sent", "age": "older", "copy_of": "",
    }  # fmt: skip


def test_editions_are_listed(folder: Path, capsys: Capsys) -> None:
    now = editions(())[ENTITY]
    listed = told(capsys, folder, "--entity", ENTITY, "--editions")["editions"]
    assert listed == [
        {"edition": "aaaaaaaaaaaa", "since": "2026-11-01T12:00:00Z"},
        {"edition": now, "since": "2026-11-01T14:00:00Z"},
    ]
    status, out, _ = run(capsys, folder, "--entity", ENTITY, "--editions", "--language", "en")
    assert (status, out.splitlines()[1].split()) == (0, ["aaaaaaaaaaaa", "2026-11-01T12:00:00Z"])
    _, out, _ = run(capsys, folder, "--entity", ENTITY, "--editions", "--csv")
    assert out.splitlines()[0] == "edition,since"
    _, out, _ = run(capsys, folder, "--entity", "EMAIL", "--editions", "--language", "en")
    assert out == "The log says of no edition of what looks for EMAIL.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Before what? Give --detector, --before or --bundle."),
        (("--detector", "1.3"), "`1.3` is not a version. Write '<1.3.0'"),
        (("--detector", "<now"), "Editions are those of one entity. Give `--entity CN_RESIDENT_ID`, too."),
        (("--editions",), "Editions are those of one entity."),
        (("--detector", "<1.3", "--entity", "CN_RESIDENT"), "Did you mean `CN_RESIDENT_ID`?"),
        (("--detector", "<999999", "--entity", ENTITY), "No edition of CN_RESIDENT_ID begins with `999999`."),
        (("--detector", "<now", "--entity", "MARKER:Mine"), "Nothing looks for `MARKER` in the files as they are now."),
        (("--detector", "<1.3", "--since", "yesterday"), "`yesterday` is not a time. Write 30d, 12h, 90m"),
        (("--detector", "<1.3", "--audit", "nowhere"), "There is no audit log here."),
    ],
)
def test_what_cannot_be_asked_is_said_with_a_mend(folder: Path, capsys: Capsys, arguments, sentence: str) -> None:
    if "MARKER:Mine" in arguments:
        policy = folder / "policy.yaml"
        kept = [line for line in policy.read_text("utf-8").splitlines() if "{marker: [" not in line]
        policy.write_text("\n".join(kept) + "\n", "utf-8")
        write(
            folder / "state" / "audit",
            [Activation(NOON, "d" * 64, LABELS, "c", "", Origin(7, "1.3.0", (), "s", "", {"MARKER": "mmmmmm"}))],
            "mm",
            5,
        )
    status, _, err = run(capsys, folder, *arguments)
    assert (status, sentence in err) == (2, True), err


def test_files_that_do_not_load_are_no_answer(folder: Path, capsys: Capsys) -> None:
    (folder / "tenants.yaml").write_text("nonsense\n")
    status, _, err = run(capsys, folder, "--entity", ENTITY, "--detector", "<now")
    assert (status, "The files do not load as they are now" in err) == (2, True)


def test_an_edition_must_be_told_from_others(folder: Path, capsys: Capsys) -> None:
    write(folder / "state" / "audit", [activation("d" * 64, NOON, "aaaaaabbbbbb", "1.2.1")], "rr", 4)
    status, _, err = run(capsys, folder, "--entity", ENTITY, "--detector", "<aaaaaa")
    assert (status, "More than one edition of CN_RESIDENT_ID begins with `aaaaaa`." in err) == (2, True)


def test_what_cannot_be_read_is_counted_and_half_a_line_is_left(folder: Path, capsys: Capsys) -> None:
    path = folder / "state" / "audit" / "20261109T000000Z-w0-zz-0000.jsonl"
    path.write_bytes(b'nonsense\n{"v":9,"seq":1,"zone":"cloud"}\n{"v":4,"seq":2,"outcome":{"zone":"cloud"')
    assert told(capsys, folder, "--detector", "<1.3")["unreadable"] == 2
    _, out, _ = run(capsys, folder, "--detector", "<1.3", "--language", "en")
    assert "2 lines of the log cannot be read. Run `tidegate audit verify`." in out


def test_what_stayed_at_home_is_not_even_read(folder: Path) -> None:
    told = [entry.request_id for _, entry, _ in dispatches(folder / "state" / "audit") if entry is not None]
    assert sorted(told) == ["ancient", "left", "mended", "open", "parted", "parted"]
