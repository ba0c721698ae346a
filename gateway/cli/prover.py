"""The process that proves at load, started by its parent and by nobody else: `python -m gateway.cli.prover`.

It reads the files that requests are decided by and no secret, says on stdout how far it is, and at last what it found:
a certificate for exactly these files, or every problem. `runtime/proving.py` says what it may use of the machine.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final

from gateway.core.problems import Problems
from gateway.detect.scanner import scanner_digest
from gateway.policy.certificate import Certificate
from gateway.policy.proof_problems import notes, problems
from gateway.policy.prove import prove
from gateway.runtime.lifeline import bound, die_with_parent, forbid_core_files
from gateway.runtime.proving import LONGEST_PROOF_S, MOST_MEMORY, Progressed, Proved, Refused, say, too_large
from gateway.settings import load_bundle
from gateway.telemetry import log_to

SAY_EVERY_S: Final = 0.25


def main() -> int:
    """Prove the folder that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    config = parser.parse_args().config
    die_with_parent()
    forbid_core_files()
    bound(memory=MOST_MEMORY, cpu_s=LONGEST_PROOF_S)
    log_to(sys.stderr)
    out = sys.stdout.buffer
    try:
        found = _proved(config, os.environ, _telling(out))
    except Problems as wrong:
        found = Refused(wrong.problems)
    except MemoryError:
        found = Refused((too_large(str(config)),))
    out.write(say(found))
    out.flush()
    return 0


def _proved(config: Path, environ: Mapping[str, str], progress: Callable[[int], None]) -> Proved | Refused:
    policy_file, bundle = load_bundle(config, environ)
    policy = bundle.policy
    file = str(policy_file)
    proof = prove(policy, progress=progress)
    if not proof.is_proved:
        return Refused(problems(proof, policy, file))
    digest = bundle.with_scanner(scanner_digest(policy.markers, bundle.recognizers)).digest
    return Proved(Certificate.of(proof, digest).to_bytes(), digest, (*policy.notes, *notes(proof, policy, file)))


def _telling(out: BinaryIO) -> Callable[[int], None]:
    """What `prove` calls after each node; not every one is worth a line."""
    next_at = monotonic() + SAY_EVERY_S

    def tell(nodes: int) -> None:
        nonlocal next_at
        if monotonic() >= next_at:
            next_at = monotonic() + SAY_EVERY_S
            out.write(say(Progressed(nodes)))
            out.flush()

    return tell


if __name__ == "__main__":
    sys.exit(main())
