"""Every fault that resilience asks for, and the tests that inject it: the table that `test_fault_list.py` holds.

`process` lists tests against a real `tidegate serve`; `sockets` those with the gateway in the test's own process,
behind real sockets; `virtual` those in virtual time, named where there is no other.
"""

from dataclasses import dataclass

_REAL = "tests/faults/test_upstream.py::"
_PROCESS = "tests/faults/test_process.py::"
_WELL = "tests/paths/test_failing_well.py::"
_FAULTS = "tests/paths/test_faults.py::"
UPSTREAM = _REAL + "test_whatever_a_model_server_does_nothing_leaves_and_nothing_broken_is_called_whole"
UNREACHABLE = _REAL + "test_what_cannot_be_reached_costs_nobody_an_answer_and_nothing_leaves"
DIALS = _WELL + "test_what_cannot_be_reached_costs_nobody_an_answer_and_sends_nothing_out"
BEFORE = _FAULTS + "test_before_content_the_next_home_pool_answers_and_nothing_of_the_first_is_seen"
AFTER = _FAULTS + "test_after_content_a_fault_is_an_error_event_and_the_answer_is_never_called_complete"
NO_STREAM = _WELL + "test_a_stream_that_is_no_stream_is_given_up_before_its_content_and_another_place_answers"
FULL = _WELL + "test_a_server_that_is_full_is_not_asked_again_until_the_time_it_named_and_the_client_hears_at_once"
REDIS = "tests/faults/test_redis.py::test_whatever_befalls_redis_everybody_is_served_and_what_has_a_history_stays_home"
NOT_READY = "tests/stores/test_redis_connection.py::test_who_is_no_redis_or_not_ready_is_left"
SENTINELS = "tests/real/test_redis_topologies.py::test_sentinels_say_who_is_the_primary"
CLUSTER = "tests/real/test_redis_topologies.py::test_a_cluster_of_three"


@dataclass(frozen=True)
class Injected:
    """Who injects a fault, as pytest's node ids without parameters."""

    process: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    virtual: tuple[str, ...] = ()


FAULTS: dict[str, Injected] = {
    "connect refused": Injected((UNREACHABLE,), (DIALS,)),
    "black hole": Injected((UNREACHABLE,), (DIALS,)),
    "slow first byte": Injected((UPSTREAM,), (BEFORE,)),
    "stall mid-stream": Injected((UPSTREAM,), (AFTER,)),
    "clean EOF mid-answer without a finish": Injected((UPSTREAM,), (AFTER,)),
    "truncated chunk": Injected((UPSTREAM,), (NO_STREAM,)),
    "invalid JSON": Injected((UPSTREAM,), (BEFORE,)),
    "HTML with 200": Injected((UPSTREAM,), (BEFORE,)),
    "429/503 with Retry-After": Injected((UPSTREAM,), (FULL,)),
    "reset": Injected((UPSTREAM,), (BEFORE, AFTER)),
    "TLS error": Injected((UNREACHABLE,), (DIALS,)),
    "DNS failure": Injected((UNREACHABLE,), (DIALS,)),
    "oversized line or event": Injected((UPSTREAM,), (NO_STREAM, AFTER)),
    "Redis down / slow / read-only / loading / out of memory / failover": Injected(
        (REDIS,), (NOT_READY, SENTINELS, CLUSTER)
    ),
    "clock jump": Injected(
        virtual=(
            "tests/simulation/test_simulation.py::test_whatever_fails_nothing_leaves_and_every_request_ends_once",
        ),
    ),
    "disk full under the audit log": Injected(
        (
            "tests/paths/test_audit_path.py::"
            "test_a_disk_that_takes_no_more_shuts_the_cloud_at_once_and_home_when_the_buffer_is_full",
        ),
    ),
    "policy half-written": Injected(
        ("tests/paths/test_upgrade.py::test_a_policy_that_is_half_written_changes_nothing_and_is_said",),
    ),
    "SIGTERM with 200 open streams": Injected((_PROCESS + "test_a_stop_lets_200_of_200_open_streams_finish",)),
    "kill -9 of a worker": Injected(
        (_PROCESS + "test_a_killed_worker_hurts_nobody_elses_stream_loses_no_record_and_is_replaced",),
    ),
    "10 × overload": Injected(
        (
            _PROCESS
            + "test_at_ten_times_what_the_server_can_do_as_much_is_answered_as_ever_and_the_rest_hears_so_at_once",
        ),
    ),
    "slow readers": Injected(
        (_PROCESS + "test_readers_of_1_kb_a_second_do_not_hurt_others_and_those_that_read_nothing_are_cut_off",),
        ("tests/paths/test_failing_well.py::test_a_reader_that_takes_nothing_is_cut_off_and_its_model_server_with_it",),
    ),
    "one-hour soak": Injected(("tests/faults/test_soak.py::test_memory_does_not_grow_under_load",)),
}
