"""Which files a policy command looks at, and what they amount to.

A policy stands beside its pools' and tenants' files, or the command line names them, or a gateway's configuration
does. What cannot be read is told in one sentence; nothing here needs a secret.
"""

import argparse
import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.problem_report import Misuse
from gateway.config import gateway_file, pools_file, tenants_file
from gateway.core import written
from gateway.core.facts import Tenant
from gateway.core.findings import Tier
from gateway.core.labels import Label
from gateway.core.problems import Problem, Problems
from gateway.core.reading import Reader
from gateway.core.topology import Topology
from gateway.core.written import Document
from gateway.detect import ner_models
from gateway.detect.registry import Registry
from gateway.detect.scanner import scanner_digest
from gateway.policy import compile as policy_compile
from gateway.policy import form
from gateway.policy.compiled import CompiledPolicy
from gateway.ports import Recognizer
from gateway.runtime.bundles import Bundle
from gateway.settings import GATEWAY_FILE, RECOGNIZERS_FILE, read_registry

POLICY: Final = "policy.yaml"
POOLS: Final = "pools.yaml"
TENANTS: Final = "tenants.yaml"
RECOGNIZERS: Final = RECOGNIZERS_FILE


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """A policy's file and those that say what it is about; None where there is none."""

    policy: Path
    pools: Path | None
    tenants: Path | None
    recognizers: Path | None = None

    @property
    def others(self) -> tuple[Path, ...]:
        """The files beside the policy's own that are read."""
        return tuple(path for path in (self.pools, self.tenants, self.recognizers) if path is not None)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that loads, and everything about it that its files say. Without pools there is no bundle."""

    files: PolicyFiles
    policy: CompiledPolicy
    bundle: Bundle | None
    tenants: Mapping[str, Tenant]
    attested: Mapping[str, Label]
    full_scans: frozenset[str] = frozenset()
    recognizers: tuple[Recognizer, ...] = ()


def add_file(parser: argparse.ArgumentParser) -> None:
    """Let the command line name a policy, or a configuration that names it."""
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help=f"the policy; {POLICY} here, or the one of --config"
    )
    add_others(parser)


def add_others(parser: argparse.ArgumentParser) -> None:
    """Let the command line name the files that a policy is looked at with."""
    beside = "beside the policy if not given"
    parser.add_argument("--pools", metavar="FILE", type=Path, help=f"{POOLS}; {beside}")
    parser.add_argument("--tenants", metavar="FILE", type=Path, help=f"{TENANTS}; {beside}")
    parser.add_argument("--recognizers", metavar="FILE", type=Path, help=f"{RECOGNIZERS}; {beside}")
    parser.add_argument(
        "--config", metavar="DIR", type=Path, help="take the files that are not given from this folder's gateway.yaml"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def named(arguments: argparse.Namespace, policy: Path | None) -> PolicyFiles:
    """The files that the command line means; `policy` is the one that it names, if any."""
    pools, tenants, config = arguments.pools, arguments.tenants, arguments.config
    recognizers = arguments.recognizers
    if config is not None:
        files = files_of(config)
        own = config / (files.recognizers or RECOGNIZERS)
        if recognizers is None and (files.recognizers is not None or own.is_file()):
            recognizers = own
        return PolicyFiles(
            policy or config / files.policy,
            pools or config / files.pools,
            tenants or config / files.tenants,
            recognizers,
        )
    policy = policy or Path(POLICY)
    return PolicyFiles(
        policy,
        pools or beside(policy, POOLS),
        tenants or beside(policy, TENANTS),
        recognizers or beside(policy, RECOGNIZERS),
    )


def beside(policy: Path, name: str) -> Path | None:
    """The file called `name` that belongs to `policy`: in the folder named like it, or else in the same one."""
    # `.` and `/` have no name that a folder could be called like.
    places = (policy.with_suffix("") / name, policy.parent / name) if policy.name else ()
    return next((place for place in places if place.is_file() and place != policy), None)


def load(files: PolicyFiles) -> Loaded:
    """What `files` say; raises Problems with everything that is wrong in all of them."""
    document = read(files.policy, end_marker=True)
    reader = Reader(document.problems)
    policy = form.read(document, reader)
    frame = policy_compile.frame(policy, reader)
    others: list[Problem] = []
    topology: Topology | None = None
    classes: Mapping[str, Label | None] | None = None
    tenants: Mapping[str, Tenant] = {}
    attested: Mapping[str, Label] = {}
    full_scans: frozenset[str] = frozenset()
    tiers: tuple[Tier, ...] = ()
    pools_digest = tenants_digest = ""
    if files.pools is not None:
        other = read(files.pools)
        of_pools = Reader(other.problems)
        zones = frame.zones if frame.order is not None else None
        topology = pools_file.read(other.root, of_pools, frame.order, zones).topology
        others += of_pools.problems
        pools_digest = _digest(other)
    if files.tenants is not None:
        other = read(files.tenants)
        of_tenants = Reader(other.problems)
        found = tenants_file.read(other.root, of_tenants, frame.order, frame.ceiling, frame.default)
        classes, tenants, attested = found.class_ceilings, found.tenants, found.attested
        full_scans, tiers = frozenset(found.full_scans), found.tiers
        others += of_tenants.problems
        tenants_digest = _digest(other)
    own = Registry()
    if files.recognizers is not None:
        of_recognizers = Reader()
        own = read_registry(read(files.recognizers), of_recognizers)
        others += of_recognizers.problems
    # What another file failed to say is no mistake of the policy.
    compiled = policy_compile.compile_policy(
        policy, frame, reader, topology if not others else None, classes if not others else None, own.entities
    )
    if others or compiled is None:
        raise Problems([*reader.problems, *others])
    bundle = None
    if topology is not None:
        digest = scanner_digest(compiled.markers, own.recognizers)
        models = ner_models.digest_for({*compiled.labels.required, *tiers})
        bundle = Bundle(compiled, topology, tenants, (), pools_digest, tenants_digest, own.recognizers, digest, models)
    return Loaded(files, compiled, bundle, tenants, attested, full_scans, own.recognizers)


def read(path: Path, *, end_marker: bool = False) -> Document:
    """The tree of a YAML file."""
    return written.parse(data_of(path), str(path), end_marker=end_marker)


def data_of(path: Path, most: int = written.LARGEST_FILE) -> bytes:
    """A file's bytes, up to one more than `most`, which none of our files may exceed; raises Misuse if there are none
    to read."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        raise Misuse(str(path), "There is no such file.", _near(path)) from None
    except IsADirectoryError:
        raise Misuse(str(path), "This is a folder, not a file.", _inside(path)) from None
    except PermissionError:
        raise Misuse(str(path), "You may not read this file.", "Ask its owner, or run as another user.") from None
    except (OSError, ValueError) as error:
        raise Misuse(str(path), f"This file cannot be read ({type(error).__name__}).") from None


def _near(path: Path) -> str:
    close = difflib.get_close_matches(path.name, _yaml_files(path.parent), n=1)
    return f"Did you mean `{path.with_name(close[0])}`?" if close else "Check the path."


def _inside(path: Path) -> str:
    found = _yaml_files(path)
    return f"Name a file, for example `{path / found[0]}`." if found else "Name a file."


def _yaml_files(folder: Path) -> Sequence[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".yaml")
    except OSError:
        return ()


def files_of(config: Path) -> gateway_file.Files:
    """The names of the files in a gateway's configuration."""
    return gateway_of(config).files


def gateway_of(config: Path) -> gateway_file.GatewayFile:
    """What a gateway's configuration says; raises Problems."""
    document = read(config / GATEWAY_FILE)
    reader = Reader(document.problems)
    gateway = gateway_file.read(document.root, reader, os.environ)
    if reader.problems or gateway is None:
        raise Problems(reader.problems)
    return gateway


def _digest(document: Document) -> str:
    return hashlib.sha256(written.exact(document.root).encode()).hexdigest()
