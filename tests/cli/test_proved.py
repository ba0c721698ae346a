"""How far a proof is shows on a terminal, and in the log where there is none."""

import io
import logging
import sys

from gateway.cli.proved import LOG_EVERY_S, logged, shown_or_logged


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(caplog):
    return [record.fields for record in caplog.records if record.msg == "policy_proving"]


def test_a_proof_that_takes_long_is_logged_now_and_then(caplog):
    caplog.set_level(logging.INFO)
    with logged() as progress:
        for nodes, passed_s in ((1, 0.1), (2, 1.9), (3, 2.5), (4, 3.0), (5, 2.4 + LOG_EVERY_S), (6, 2.6 + LOG_EVERY_S)):
            progress(nodes, passed_s)
    assert told(caplog) == [{"count": 3, "ms": 2500}, {"count": 6, "ms": 7600}]


def test_a_terminal_gets_no_lines_of_the_log(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    for stream, lines in ((Terminal(), 0), (io.StringIO(), 1)):
        monkeypatch.setattr(sys, "stderr", stream)
        caplog.clear()
        with shown_or_logged() as progress:
            progress(7, 60.0)
        assert len(told(caplog)) == lines
