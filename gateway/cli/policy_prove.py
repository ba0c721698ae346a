"""`tidegate policy prove`: whether every invariant holds in every state, what may still leave, and the certificate.

The proof is that of the gateway at load, over the same files; what `--certificate` writes says what was proved of which
bundle. What the proof says in words is `policy/proof_words.py`'s.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Final

from gateway.cli import policy_files
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_files import Loaded
from gateway.cli.problem_report import FOUND, GOOD, Misuse, fields_of, text_of
from gateway.cli.progress import Progress, still_at
from gateway.cli.spoken import add_language, language
from gateway.policy.certificate import Certificate
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.proof import Counterexample, Proof, Verdict
from gateway.policy.proof_problems import problems
from gateway.policy.proof_words import said
from gateway.policy.prove import MOST_NODES, prove
from gateway.policy.shown_facts import as_given
from gateway.policy.words import Table, fill


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `prove`."""
    proof = commands.add_parser("prove", help="check every invariant in every state; say what may still leave")
    policy_files.add_file(proof)
    proof.add_argument(
        "--certificate", metavar="FILE", type=Path, help="write down what was proved, and of which files"
    )
    proof.add_argument(
        "--most-nodes",
        metavar="N",
        type=_positive,
        default=MOST_NODES,
        help="give up after so many; default: %(default)s",
    )
    add_language(proof)
    proof.set_defaults(run=told(_prove))


def _positive(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,17}", text):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _prove(arguments: argparse.Namespace) -> int:
    loaded = policy_files.load(policy_files.named(arguments, arguments.file))
    if loaded.bundle is None:
        mend = "Name them with --pools; `tidegate policy init` writes examples of every file."
        raise Misuse(str(loaded.files.policy), "Without pools nobody knows where requests go.", mend)
    started = perf_counter()
    with still_at("Proving the policy") as progress:
        proof = prove(loaded.policy, most_nodes=arguments.most_nodes, progress=_into(progress))
    seconds = perf_counter() - started
    if proof.is_proved and arguments.certificate is not None:
        _write(arguments.certificate, Certificate.of(proof, loaded.bundle.digest).to_bytes())
    if arguments.json:
        shown = _as_json(loaded, proof, seconds)
        shown["bundle"] = loaded.bundle.digest
        shown["certificate"] = str(arguments.certificate) if proof.is_proved and arguments.certificate else None
        print(text_of(shown))
    else:
        _tell(arguments, loaded, proof)
    return GOOD if proof.is_proved else FOUND


def _into(progress: Progress) -> Callable[[int], None]:
    def tell(nodes: int) -> None:
        progress.detail = f"{nodes:,} nodes"

    return tell


def _write(path: Path, certificate: bytes) -> None:
    try:
        path.write_bytes(certificate)
    except OSError as error:
        raise Misuse(str(path), f"The certificate cannot be written ({type(error).__name__}).") from None


def _tell(arguments: argparse.Namespace, loaded: Loaded, proof: Proof) -> None:
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    others = fill(_WORDS, "and", spoken).join(str(path) for path in loaded.files.others)
    page.say(fill(_WORDS, "what", spoken, file=loaded.files.policy, version=loaded.policy.version, others=others))
    page.say(said(proof, loaded.policy, spoken))
    if arguments.certificate is not None:
        page.say(fill(_WORDS, "written" if proof.is_proved else "not_written", spoken, path=arguments.certificate))


_WORDS: Final[Table] = MappingProxyType(
    {
        "what": ("{file}, version {version}, with {others}.", "{file}，版本 {version}，连同 {others}。"),
        "and": (" and ", " 和 "),
        "written": ("The certificate is in {path}.", "证书已写入 {path}。"),
        "not_written": ("No certificate was written.", "未写出证书。"),
    }
)


def _as_json(loaded: Loaded, proof: Proof, seconds: float) -> dict[str, object]:
    policy, file = loaded.policy, str(loaded.files.policy)
    return {
        "ok": proof.is_proved,
        "problems": [fields_of(one) for one in problems(proof, policy, file)],
        "file": file,
        "with": [str(path) for path in loaded.files.others],
        "states": proof.states,
        "nodes": proof.nodes,
        "seconds": round(seconds, 3),
        "verdicts": [_verdict(policy, verdict) for verdict in proof.verdicts],
        "dead": list(proof.dead),
        "shadowed": [
            {"route": one.route, "by": list(one.by), "example": _example(policy, one.example)} for one in proof.shadowed
        ],
        "may_leave": [
            {
                "entity": one.entity,
                "below_score": one.below_score,
                "below_count": one.below_count,
                "label": policy.order.name(one.label),
                "acknowledged": one.acknowledged,
            }
            for one in proof.leaving
        ],
        "acknowledged_in_vain": list(proof.idle),
        "vacuous": list(proof.vacuous),
        "unread_may_leave": list(proof.unread),
        "scans_not_asked_for": list(proof.unasked),
    }


def _verdict(policy: CompiledPolicy, verdict: Verdict) -> dict[str, object]:
    at = verdict.at
    return {
        "id": verdict.id,
        "kind": str(verdict.kind),
        "outcome": str(verdict.outcome),
        "line": at.line if at is not None else 0,
        "counterexamples": [_example(policy, one) for one in verdict.counterexamples],
    }


def _example(policy: CompiledPolicy, example: Counterexample) -> dict[str, object]:
    shown: dict[str, object] = {
        "facts": dict(as_given(policy, example.facts)),
        "route": example.route,
        "pools": list(example.pools),
    }
    if example.second is not None:
        shown |= {"second": dict(as_given(policy, example.second)), "second_pools": list(example.second_pools)}
    return shown
