"""Intact, torn, cut, forged and unproven are told apart, and no change to an audit folder goes unnoticed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import Header
from gateway.core.audit_verify import CHECKPOINTS, Report, State, verify
from gateway.core.keyed_hash import KeyedHash
from tests.core.audit_values import BOOT, KEY, SIGNER, checkpoints, entries, intent, outcome, segment

PUBLIC = SIGNER.public_key()
NAME, DATA, HEADS = segment([intent("req_0"), outcome("req_0"), outcome("req_1"), outcome("req_2")])
LINES = DATA.splitlines(keepends=True)
SIGNED = checkpoints([HEADS[0], HEADS[2], HEADS[4]])


def judge(segments=((NAME, DATA),), signed=SIGNED, public=PUBLIC, key=KEY):
    return verify(segments, signed, public, key)


def one(report, name=NAME):
    return next(verdict for verdict in report.verdicts if verdict.file == name)


@pytest.mark.parametrize("key", [KEY, None])
def test_an_untouched_folder_is_intact_with_or_without_the_key(key):
    report = judge(key=key)
    assert report.state is State.INTACT
    assert one(report).records == one(report).proved == 5


def test_without_the_key_what_follows_the_last_checkpoint_is_counted_as_not_proved():
    verdict = one(judge(signed=checkpoints(HEADS[:3]), key=None))
    assert (verdict.state, verdict.records, verdict.proved) == (State.INTACT, 5, 3)


def test_without_key_and_without_checkpoint_nothing_is_proved():
    assert judge(signed=None, public=None, key=None).state is State.UNPROVEN
    assert one(judge(signed=SIGNED, public=None, key=None), CHECKPOINTS).state is State.UNPROVEN


def test_with_the_key_a_folder_without_a_supervisor_is_intact():
    assert judge(signed=None, public=None).state is State.INTACT


def test_an_empty_folder_is_intact():
    assert Report(()).state is State.INTACT


@pytest.mark.parametrize("cut", [1, 40, len(LINES[4]) - 1])
def test_a_last_line_that_was_not_finished_is_torn_and_the_rest_is_sound(cut):
    verdict = one(judge(segments=[(NAME, DATA[: len(DATA) - len(LINES[4]) + cut])], signed=checkpoints(HEADS[:3])))
    assert (verdict.state, verdict.records, verdict.proved, verdict.line) == (State.TORN, 4, 4, 5)


def test_a_segment_that_was_only_just_created_is_torn():
    assert one(judge(segments=[(NAME, b"")], signed=None, public=None)).state is State.TORN


@pytest.mark.parametrize("kept", range(5))
def test_whole_lines_missing_at_the_end_are_cut_when_they_were_signed(kept):
    for key in (KEY, None):
        verdict = one(judge(segments=[(NAME, b"".join(LINES[:kept]))], key=key))
        assert verdict.state is State.CUT
        assert "up to 4" in verdict.reason


def test_a_torn_line_below_a_checkpoint_is_cut():
    assert one(judge(segments=[(NAME, DATA[:-1])])).state is State.CUT


def test_a_missing_segment_is_cut():
    verdict = one(judge(segments=[]))
    assert verdict.state is State.CUT
    assert "record 4" in verdict.reason


def test_a_missing_checkpoint_file_is_cut():
    assert one(judge(signed=None), CHECKPOINTS).state is State.CUT
    assert one(judge(signed=b""), CHECKPOINTS).state is State.CUT


def positions(data):
    return st.integers(0, len(data) - 1)


@settings(max_examples=300)
@given(positions(DATA), st.integers(1, 255), st.sampled_from([KEY, None]))
def test_any_changed_byte_of_a_segment_is_noticed(at, change, key):
    changed = DATA[:at] + bytes([DATA[at] ^ change]) + DATA[at + 1 :]
    assert judge(segments=[(NAME, changed)], key=key).state in (State.FORGED, State.CUT)


@settings(max_examples=300)
@given(positions(SIGNED), st.integers(1, 255))
def test_any_changed_byte_of_the_checkpoints_is_noticed(at, change):
    changed = SIGNED[:at] + bytes([SIGNED[at] ^ change]) + SIGNED[at + 1 :]
    assert judge(signed=changed).state is not State.INTACT


@settings(max_examples=50)
@given(st.lists(entries, min_size=1, max_size=5), st.data())
def test_lines_removed_moved_repeated_or_added_are_noticed(written, data):
    name, whole, heads = segment(written)
    lines = whole.splitlines(keepends=True)
    signed = checkpoints([heads[-1]])
    at = data.draw(st.integers(0, len(lines) - 1))
    to = data.draw(st.integers(0, len(lines) - 1).filter(lambda index: index != at))
    moved = [*lines[:at], *lines[at + 1 :]]
    moved.insert(to, lines[at])
    foreign = segment([outcome("req_forged")], key=KeyedHash(b"another key"))[1].splitlines(keepends=True)[-1]
    for changed in (
        lines[:at] + lines[at + 1 :],
        moved,
        [*lines[: at + 1], *lines[at:]],
        [*lines, foreign],
        [*lines, b"{}\n"],
        [*lines, b"x"],
    ):
        for key in (KEY, None):
            assert judge(segments=[(name, b"".join(changed))], signed=signed, key=key).state is not State.INTACT


def test_every_single_byte_of_a_small_segment_counts():
    name, data, heads = segment([intent()])
    signed = checkpoints([heads[-1]])
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert judge(segments=[(name, changed)], signed=signed, key=None).state is not State.INTACT


def test_records_made_without_the_key_are_forged():
    name, data, _ = segment([outcome()], key=KeyedHash(b"another key"))
    verdict = one(judge(segments=[(name, data)], signed=None, public=None), name)
    assert (verdict.state, verdict.line) == (State.FORGED, 1)
    assert "audit key" in verdict.reason


def test_a_whole_segment_written_anew_does_not_fit_its_checkpoints():
    verdict = one(judge(segments=[(NAME, segment([outcome("req_9")] * 4)[1])], key=None))
    assert verdict.state is State.FORGED
    assert "checkpoint 1" in verdict.reason


def test_a_number_out_of_order_is_named():
    header = LINES[0]
    line, _ = seal(bytes.fromhex(HEADS[0].seal), 5, outcome(), KEY)
    verdict = one(judge(segments=[(NAME, header + line)], signed=None, public=None))
    assert (verdict.state, verdict.line, verdict.reason) == (
        State.FORGED,
        2,
        "record 5 stands where record 1 belongs",
    )


def test_a_record_of_a_newer_version_is_named_as_such():
    line = LINES[1].replace(b'{"v":4', b'{"v":9')
    verdict = one(judge(segments=[(NAME, LINES[0] + line)], signed=None, public=None))
    assert "version 9" in verdict.reason


def test_a_segment_of_the_version_before_is_sound_and_may_be_torn(monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("gateway.core.audit_record.RECORD_VERSION", 1)
        name, data, heads = segment([outcome("req_0")])
    assert data.count(b'{"v":1,') == 2
    assert one(judge(segments=[(name, data)], signed=checkpoints(heads))).state is State.INTACT
    for start in (b'{"v":1,"seq":2,"out', b'{"v":4,"seq":2,"out', b'{"v'):
        assert one(judge(segments=[(name, data + start)], signed=None)).state is State.TORN
    for start in (b'{"v":1,"seq":3,"out', b'{"v":5', b"x"):
        assert one(judge(segments=[(name, data + start)], signed=None)).state is State.FORGED


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (outcome(), "not a segment's header"),
        (Header("another", 0, BOOT, 0, 1.0, 2.0, START.hex()), "another segment"),
        (Header(NAME, 1, BOOT, 0, 1.0, 2.0, START.hex()), "another segment"),
        (Header(NAME, 0, BOOT, 0, 1.0, 2.0, "00"), "what its chain follows"),
    ],
)
def test_a_first_line_that_is_not_this_segments_header_is_forged(first, reason):
    line, _ = seal(START, 0, first, KEY)
    verdict = one(judge(segments=[(NAME, line)], signed=None, public=None))
    assert verdict.state is State.FORGED
    assert reason in verdict.reason


def test_a_first_line_that_says_nothing_is_forged():
    line = b'{"v":1,"seq":0' + LINES[0][-140:]
    assert "no known kind" in one(judge(segments=[(NAME, line)], signed=None, public=None)).reason


def test_a_file_with_another_kind_of_name_is_forged():
    assert judge(segments=[("notes", DATA)]).verdicts[1].state is State.FORGED


# Parts of one boot: a failed disk or a full segment begins a new one.

SECOND_NAME, SECOND, SECOND_HEADS = segment([outcome("req_3")], part=1, follows=bytes.fromhex(HEADS[4].seal))
BOTH = [(NAME, DATA), (SECOND_NAME, SECOND)]
BOTH_SIGNED = checkpoints([HEADS[4], SECOND_HEADS[-1]])


def test_parts_of_a_boot_continue_each_other():
    assert judge(segments=BOTH, signed=BOTH_SIGNED).state is State.INTACT


def test_a_part_may_follow_the_last_synced_line_of_a_part_that_failed_after_it():
    torn = DATA[:-10]
    name, data, heads = segment([], part=1, follows=bytes.fromhex(HEADS[2].seal))
    report = judge(segments=[(NAME, torn), (name, data)], signed=checkpoints([HEADS[2], heads[0]]))
    assert [verdict.state for verdict in report.verdicts] == [State.INTACT, State.TORN, State.INTACT]


def test_a_part_may_follow_one_that_could_not_even_write_its_header():
    name, data, _ = segment([], part=1)
    report = judge(segments=[(NAME, b""), (name, data)], signed=None, public=None)
    assert [verdict.state for verdict in report.verdicts] == [State.TORN, State.INTACT]


def test_a_missing_part_is_cut():
    report = judge(segments=[(SECOND_NAME, SECOND)], signed=checkpoints(SECOND_HEADS))
    assert one(report, SECOND_NAME).state is State.CUT
    assert "part 0" in one(report, SECOND_NAME).reason


def test_a_part_that_lost_the_record_which_the_next_follows_is_noticed_without_checkpoints():
    report = judge(segments=[(NAME, b"".join(LINES[:3])), (SECOND_NAME, SECOND)], signed=None, public=None)
    assert one(report, SECOND_NAME).state is State.CUT


def test_a_part_that_is_there_twice_is_forged():
    again = NAME.replace("T100000", "T110000")
    _, data, _ = segment([])
    data = seal(START, 0, Header(again, 0, BOOT, 0, 1.0, 2.0, START.hex()), KEY)[0]
    report = judge(segments=[(NAME, DATA), (again, data)], signed=None, public=None)
    assert one(report, again).state is State.FORGED


def test_a_part_after_a_forged_one_is_judged_by_itself():
    report = judge(segments=[(NAME, DATA.replace(b"req_1", b"req_7")), (SECOND_NAME, SECOND)], signed=BOTH_SIGNED)
    assert [verdict.state for verdict in report.verdicts] == [State.INTACT, State.FORGED, State.INTACT]


# The checkpoint file.


def last(signed, public=PUBLIC):
    return one(judge(signed=signed, public=public), CHECKPOINTS)


def test_a_checkpoint_that_was_not_finished_is_torn_and_those_before_it_count():
    verdict = last(SIGNED[:-5])
    assert (verdict.state, verdict.records, verdict.line) == (State.TORN, 2, 3)


def test_a_removed_checkpoint_is_cut():
    first, _, third = SIGNED.splitlines(keepends=True)
    verdict = last(first + third)
    assert verdict.state is State.CUT
    assert "checkpoints 1 to 1 are missing" in verdict.reason


def test_a_repeated_checkpoint_is_forged():
    first = SIGNED.splitlines(keepends=True)[0]
    assert last(first + first).state is State.FORGED


def test_a_checkpoint_by_another_key_is_forged():
    assert last(checkpoints(HEADS, signer=Ed25519PrivateKey.generate())).state is State.FORGED


def test_a_checkpoint_that_follows_another_one_is_forged():
    verdict = last(checkpoints(HEADS[:1]) + checkpoints(HEADS[1:2], start=1, previous="f" * 64))
    assert (verdict.state, verdict.line) == (State.FORGED, 2)


def test_a_checkpoint_line_without_a_signature_is_forged():
    assert last(b"{}\n").state is State.FORGED


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"v":9,"checkpoint":', "version 9"), (b'{"v":1,"checkpoint":{}', "not a checkpoint")],
)
def test_a_signed_line_that_is_no_checkpoint_of_this_version_is_forged(body, reason):
    from gateway.core.audit_chain import sign_off, split_signature, to_be_signed

    if body.endswith(b":"):
        real = split_signature(SIGNED.splitlines()[0])[0]
        body = real.replace(b'{"v":1', b'{"v":9')
    verdict = last(sign_off(body, SIGNER.sign(to_be_signed(body))))
    assert verdict.state is State.FORGED
    assert reason in verdict.reason
