"""What the commands of `tidegate sagemaker` share: reading the file, reaching AWS, and saying what went wrong.

What AWS or botocore say never gets out: a refusal is told by its code, and the mend is ours.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli.demo_shipped import shipped_file
from gateway.cli.page import Page
from gateway.cli.problem_report import Misuse
from gateway.cli.sagemaker_screen import Lines
from gateway.cli.spoken import add_language, language
from gateway.config import lane_file
from gateway.core.deployment import Lane
from gateway.core.problems import Problem, Problems
from gateway.core.reading import Reader
from gateway.core.written import parse
from gateway.lane.deploy.aws import Network
from gateway.lane.deploy.calls import Declined, Unreached
from gateway.lane.deploy.carrying import Failed, Patience
from gateway.lane.deploy.documents import Package, Wanted
from gateway.lane.deploy.operations import Blocked, NoneBefore, NothingThere, Place, TakenBack, Unfinished, WrongAccount
from gateway.lane.deploy.plan import Why
from gateway.lane.deploy.prices import Price, is_above_budget, price_of, price_table
from gateway.lane.deploy.upload import UploadDiffers, package_of

FILE: Final = "sagemaker.yaml"
_PRICES: Final = "prices.yaml"
_POLL: Final = "TIDEGATE_SAGEMAKER_POLL_S"

_MENDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AccessDenied": "`tidegate sagemaker policy --for operator` prints what these keys must be allowed.",
        "UnrecognizedClient": "AWS does not know these keys. Renew them, or name another `access: {profile: …}`.",
        "InvalidClientTokenId": "AWS does not know these keys. Renew them, or name another `access: {profile: …}`.",
        "ExpiredToken": "The keys have expired. Renew them and run this again.",
        "NoSuchBucket": "Make the bucket first: private, encrypted, in the lane's region.",
        "404": "Make the bucket first: private, encrypted, in the lane's region.",
        "ResourceLimitExceeded": "Ask AWS for a higher quota of this instance for endpoints, or lower `scaling.most`.",
        "Throttling": "Too many calls at once. Run this again: it picks up where it stopped.",
    }
)
_OTHERWISE: Final = "Run this again: it picks up where it stopped."
_BLOCKED: Final[Mapping[Why, tuple[str, str]]] = MappingProxyType(
    {
        Why.FOREIGN_ENDPOINT: (
            "There is an endpoint of this name that Tidegate did not make.",
            "Choose another `name`, or remove that one yourself.",
        ),
        Why.FOREIGN_ROLE: (
            "There is a role of this name that Tidegate did not make.",
            "Name a `role`, choose another `name`, or remove that one yourself.",
        ),
        Why.STUCK: (
            "The endpoint is in a state that only its removal ends.",
            "Look at it in AWS's console, then `tidegate sagemaker destroy` and `deploy`.",
        ),
        Why.OTHER_FORM: (
            "An endpoint cannot begin or cease to scale to zero while it stands.",
            "`tidegate sagemaker destroy` it first, or give this one another `name`.",
        ),
    }
)


def add_lane(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    parser.add_argument("--file", metavar="FILE", type=Path, default=Path(FILE), help=f"default: {FILE}")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)


def read_lane(path: Path) -> Lane:
    """What the file says; raises Problems."""
    try:
        data = path.read_bytes()
    except OSError as error:
        mend = "`sagemaker/README.md` has one to start from."
        raise Misuse(str(path), f"This file cannot be read ({type(error).__name__}).", mend) from None
    document = parse(data, str(path))
    reader = Reader(document.problems)
    lane = lane_file.read(document.root, reader)
    reader.finish()
    assert lane is not None  # noqa: S101 -- without a problem there is a lane
    return lane


def package_path(lane: Lane, file: Path) -> Path:
    """Where the package is."""
    return file.parent / lane.package


def read_package(lane: Lane, file: Path, screen: Lines) -> Package:
    """The package by its content; raises Problems."""
    path = package_path(lane, file)
    try:
        with screen.measured(str(path)) as tell:
            return package_of(path, tell=tell)
    except OSError as error:
        mend = "Make one as sagemaker/README.md says, or mend `package`."
        raise Misuse(str(path), f"The package cannot be read ({type(error).__name__}).", mend) from None


def reached(lane: Lane, file: Path) -> Place:
    """The account that the keys lead to; raises what `telling` tells."""
    return Place.of(Network(lane.region, lane.access, file.parent), lane)


def known_price(lane: Lane) -> Price | None:
    """What an instance costs, if anybody here knows."""
    path = shipped_file("sagemaker", _PRICES)
    return price_of(lane, price_table(path.read_bytes(), str(path)))


def check_budget(lane: Lane, file: Path, price: Price | None, instances: int) -> None:
    """Raise Problems if so many instances may cost more than the file allows."""
    if not is_above_budget(lane, price, instances):
        return
    limit = lane.cost.most_per_hour
    if price is None:
        message = f"`cost.most_per_hour` is {limit:g}, and nobody here knows what {lane.instance} costs."
        raise Problems([Problem(str(file), 0, 0, message, "Write `cost: {instance_hour: …}` as well.")])
    message = f"{instances} × {lane.instance} may cost {price.amount * instances:.2f} {price.currency} per hour."
    mend = f"`cost.most_per_hour` allows {limit:g}: lower the number of instances, or raise it."
    raise Problems([Problem(str(file), 0, 0, message, mend)])


def screen_of(arguments: argparse.Namespace) -> Lines:
    """Where progress goes: standard error, so that the answer stays alone on standard output."""
    return Lines(sys.stderr, language(arguments), is_quiet=arguments.json)


def page_of() -> Page:
    """Where the answer goes."""
    return Page.on(sys.stdout, os.environ)


def patience_of(environment: Mapping[str, str]) -> Patience:
    """How often AWS is asked whether something is ready; a rehearsal cannot wait as long as the real thing."""
    written = environment.get(_POLL, "")
    try:
        return Patience(poll_s=max(0.01, float(written))) if written else Patience()
    except ValueError:
        return Patience()


@contextmanager
def telling(file: Path) -> Iterator[None]:
    """Turn what went wrong into sentences."""
    place = str(file)
    try:
        yield
    except Declined as refusal:
        code = refusal.code if refusal.code.isascii() and refusal.code.isalnum() else "an error"
        mend = next((mend for part, mend in _MENDS.items() if part in refusal.code), _OTHERWISE)
        raise _problem(place, f"AWS refused {refusal.operation}: {code}.", mend) from None
    except Unreached as failure:
        mend = "Check the keys (AWS_PROFILE, a role, `access.profile`) and the way to AWS (`access.proxy`)."
        raise _problem(place, f"AWS could not be asked ({failure}).", mend) from None
    except WrongAccount:
        mend = "Use other keys, or correct `account`."
        raise _problem(place, "These keys are of another account than `account` says.", mend) from None
    except Failed as failure:
        status = failure.status if failure.status.isalnum() else "gone"
        mend = "The container's log says why: CloudWatch, /aws/sagemaker/Endpoints/. Then run this again."
        message = f"{failure.kind.value} {failure.name} is {status}, and not what was waited for."
        raise _problem(place, message, mend) from None
    except TakenBack:
        mend = "The alarms and the container's log say why. The version before serves on."
        raise _problem(place, "AWS took the update back.", mend) from None
    except Unfinished:
        mend = "Is somebody else deploying this lane? `tidegate sagemaker deploy --plan` shows what differs."
        raise _problem(place, "What was made does not stay as it was made.", mend) from None
    except NothingThere:
        raise _problem(place, "There is no endpoint for this.", "`tidegate sagemaker deploy` makes one.") from None
    except NoneBefore:
        raise _problem(place, "There is no version before the one that serves.", "") from None
    except UploadDiffers:
        mend = "Did the file change meanwhile? Run this again."
        raise _problem(place, "What arrived in the bucket is not what the file holds.", mend) from None
    except Blocked as blocked:
        raise Problems(
            Problem(place, 0, 0, f"{one.name}: {_BLOCKED[one.why][0]}", _BLOCKED[one.why][1]) for one in blocked.found
        ) from None


def _problem(place: str, message: str, mend: str) -> Problems:
    return Problems([Problem(place, 0, 0, message, mend)])


def version_of(place: Place, package: Package) -> Wanted:
    """What the file and the package amount to in this account."""
    return Wanted(place.names, package)
