"""`tidegate sagemaker deploy` and `update`: bring about what the file says, or show what that would take and cost."""

import argparse
import os
from pathlib import Path

from gateway.cli.demo_table import width
from gateway.cli.endings import told
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, text_of
from gateway.cli.sagemaker_lane import (
    add_lane,
    check_budget,
    known_price,
    package_path,
    page_of,
    patience_of,
    reached,
    read_lane,
    read_package,
    screen_of,
    telling,
    version_of,
)
from gateway.cli.sagemaker_words import say
from gateway.cli.spoken import language
from gateway.core.deployment import Lane
from gateway.lane.deploy.documents import Wanted
from gateway.lane.deploy.observed import Observed
from gateway.lane.deploy.operations import NothingThere, Place, deploy, planned, take_back
from gateway.lane.deploy.plan import Act, Bring, Step
from gateway.lane.deploy.prices import Price
from gateway.policy.words import Language


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `deploy` and `update`."""
    parser = commands.add_parser(
        "deploy",
        help="bring about what the file says",
        description="Upload the package, make model, endpoint and scaling, or change what differs. Interrupted "
        "anywhere, the same command picks up: what there is to do is found out from AWS each time.",
    )
    parser.add_argument("--plan", action="store_true", help="only show what would happen, and what it costs")
    add_lane(parser)
    parser.set_defaults(run=told(_deploy), must_stand=False)
    update = commands.add_parser(
        "update",
        help="the same for an endpoint that stands, or back to the version before",
        description="Move the endpoint to what the file says, blue and green, and back by itself if an alarm goes off.",
    )
    update.add_argument("--plan", action="store_true", help="only show what would happen, and what it costs")
    update.add_argument("--back", action="store_true", help="move to the version before the one that serves")
    add_lane(update)
    update.set_defaults(run=told(_update), must_stand=True)


def _update(arguments: argparse.Namespace) -> int:
    if not arguments.back:
        return _deploy(arguments)
    lane, spoken = read_lane(arguments.file), language(arguments)
    with telling(arguments.file):
        config = take_back(reached(lane, arguments.file), screen_of(arguments), patience_of(os.environ))
    if arguments.json:
        print(text_of({"ok": True, "name": lane.name, "config": config}))
    else:
        page_of().say(say("back_done", spoken, name=lane.name, config=config))
    return GOOD


def _deploy(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane, spoken, screen = read_lane(file), language(arguments), screen_of(arguments)
    price = known_price(lane)
    check_budget(lane, file, price, lane.scaling.most)
    package = read_package(lane, file, screen)
    page = page_of()
    with telling(file):
        place = reached(lane, file)
        wanted = version_of(place, package)
        steps, seen = planned(place, wanted)
        if arguments.must_stand and seen.endpoint is None:
            raise NothingThere
        if arguments.plan:
            if arguments.json:
                print(text_of({"ok": True, **_facts(place, lane, price), "steps": [as_fields(step) for step in steps]}))
            else:
                show_plan(page, place, steps, spoken)
                _say_cost(page, lane, price, spoken)
            return GOOD
        try:
            seen = deploy(place, wanted, package_path(lane, file), screen, patience_of(os.environ))
        except KeyboardInterrupt:
            screen.interrupted()
            raise
    if arguments.json:
        print(text_of({"ok": True, **_facts(place, lane, price), "config": wanted.config, "url": endpoint_url(lane)}))
    else:
        _say_done(page, place, wanted, seen, spoken)
        _say_cost(page, lane, price, spoken)
    return GOOD


def _say_done(page: Page, place: Place, wanted: Wanted, seen: Observed, spoken: Language) -> None:
    lane = wanted.lane
    page.say(say("done", spoken, name=lane.name, config=wanted.config))
    page.say(say("address", spoken, url=endpoint_url(lane)))
    if seen.component is not None:
        page.say(say("component_header", spoken, component=place.names.component))


def show_plan(page: Page, place: Place, steps: tuple[Step, ...], spoken: Language) -> None:
    """The steps of a plan, one a line."""
    names = place.names
    page.say(say("title", spoken, name=names.lane.name, region=names.lane.region, account=names.account))
    acts = [step for step in steps if isinstance(step, Act | Bring)]
    if not acts:
        page.say(say("nothing", spoken))
        return
    page.say(say("would", spoken))
    widest = max(width(say(step.kind.value, spoken)) for step in acts)
    for step in acts:
        what = say(step.kind.value, spoken)
        detail = step.detail if isinstance(step, Act) else f"{step.size / (1 << 20):.1f} MiB"
        shown = f"  ({say('was', spoken, was=detail) if isinstance(step, Act) else detail})" if detail else ""
        page.say(f"  {step.sign.value} {what}{' ' * (widest - width(what))}  {step.name}{shown}")


def _say_cost(page: Page, lane: Lane, price: Price | None, spoken: Language) -> None:
    if price is None:
        page.say(say("cost_unknown", spoken, instance=lane.instance, region=lane.region))
        return
    few, many = lane.scaling.least, lane.scaling.most
    least, most = f"{price.amount * few:.2f}", f"{price.amount * many:.2f}"
    gaps = {"least": least, "most": most, "few": few, "many": many, "instance": lane.instance}
    page.say(say("cost", spoken, currency=price.currency, **gaps))
    key = "cost_list" if price.as_of else "cost_own"
    page.say(say(key, spoken, amount=f"{price.amount:g}", currency=price.currency, as_of=price.as_of))


def endpoint_url(lane: Lane) -> str:
    """What pools.yaml calls the endpoint."""
    tail = "amazonaws.com.cn" if lane.region.startswith("cn-") else "amazonaws.com"
    return f"https://runtime.sagemaker.{lane.region}.{tail}/endpoints/{lane.name}"


def _facts(place: Place, lane: Lane, price: Price | None) -> dict[str, object]:
    cost: dict[str, object] | None = None
    if price is not None:
        few, many = lane.scaling.least, lane.scaling.most
        cost = {
            "currency": price.currency,
            "instance_hour": price.amount,
            "list_price_of": price.as_of or None,
            "least_per_hour": round(price.amount * few, 4),
            "most_per_hour": round(price.amount * many, 4),
        }
    return {"name": lane.name, "region": lane.region, "account": place.names.account, "cost": cost}


def as_fields(step: Step) -> dict[str, object]:
    """One step as JSON has it."""
    match step:
        case Act(call=call):
            return {
                "step": step.sign.value,
                "kind": step.kind.value,
                "name": step.name,
                "was": step.detail or None,
                "call": {"service": call.service, "operation": call.operation, "parameters": dict(call.parameters)},
            }
        case Bring():
            return {"step": "+", "kind": step.kind.value, "name": step.name, "bytes": step.size}
        case _:
            return {"step": "wait", "kind": step.kind.value, "name": step.name, "until": step.until.value}
