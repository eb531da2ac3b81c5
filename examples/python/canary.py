#!/usr/bin/env python3
"""Moves a route to another backend in steps, watches each step, and takes it back if errors or latency exceed their bounds.

    python3 canary.py chat --to qwen3-8b-2507 --steps 5,25,50,100 --hold 60 --max-errors 2 --max-p95-ms 1500

The other targets of the route share the rest as before. It takes itself back, too, if it is stopped or loses the connection. It leaves
the route alone if somebody else changes it meanwhile. Needs the scopes CONFIG_READ and TRAFFIC_WRITE; the backend must be a target of
the route (`routeTargetAdd` with weight 0).
Exit codes: 0 all steps are done, 1 refused, 2 wrong arguments, 3 taken back, 4 somebody else changed the route.
"""

import argparse
import signal
import sys
import time

from signalbox import Refused, gql, run, subscribe

ROUTE = """query ($name: String!) {
  route(by: { name: $name }) { revision targets { id weight backend { label } } }
}"""
SWITCH = """mutation ($input: RouteTrafficSetInput!) {
  routeTrafficSet(input: $input) { route { revision } userErrors { code path message } }
}"""
TRAFFIC = """subscription ($name: String!, $windowMs: Int!) {
  routeTraffic(by: { name: $name }, windowMs: $windowMs) {
    targets { target { id availability } observedShare requests errorShare firstByteMs { p95 } }
  }
}"""


def main():
    options = parse_arguments()
    route = read(options.route)
    canary = next((target["id"] for target in route["targets"] if target["backend"]["label"] == options.to), None)
    before = weights_of(route)
    if canary is None or not any(weight for target, weight in before.items() if target != canary):
        raise ValueError(f"{options.route} needs {options.to} as a target, and another target with a weight.")

    # A signal is looked at between two events: it must not cut a switch in the middle.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: setattr(options, "stopped", True))
    switch = Switch(options.route, route["revision"])
    try:
        fault = take_steps(switch, canary, before, options)
        if fault:
            take_back(switch, before, fault)
        return 3 if fault else 0
    except Refused as refusal:
        if "REVISION_CONFLICT" not in refusal.codes:
            raise
        print(f"Somebody else changed the route, so it stays as it is. {refusal}", file=sys.stderr)
        return 4


def take_steps(switch, canary, before, options):
    """Why the canary must be taken back; None if all steps went well."""
    try:
        events = subscribe(TRAFFIC, name=options.route, windowMs=max(1000, min(300_000, int(options.hold * 1000))))
        for percent in options.steps:
            switch.to(weights_at(percent, canary, before), f"canary: {percent:g} % to {options.to}")
            fault = watch(events, canary, options)
            if fault:
                return fault
    except OSError as error:
        return f"the connection is lost: {error}"


def take_back(switch, before, fault):
    """Tries for a minute, because the API may be starting anew."""
    for pause in (1, 2, 4, 8, 16, 32, None):
        try:
            return switch.to(before, f"canary taken back: {fault}")
        except OSError as error:
            if pause is None:
                raise ConnectionError(f"NOT TAKEN BACK ({fault}): {error}") from error
            time.sleep(pause)


class Switch:
    """Sets weights, each time only if the route is as this script left it."""

    def __init__(self, name, revision):
        self.name, self.revision, self.unanswered = name, revision, None

    def to(self, weights, reason):
        if self.unanswered and weights_of(route := read(self.name)) == self.unanswered:
            # The answer was lost, and not the change.
            self.revision = route["revision"]
        self.unanswered = weights
        change = {
            "route": {"name": self.name},
            "expectedRevision": self.revision,
            "weights": [{"target": {"id": target}, "weight": weight} for target, weight in weights.items()],
            "reason": reason[:1000],
        }
        self.revision = gql(SWITCH, input=change)["routeTrafficSet"]["route"]["revision"]
        self.unanswered = None
        print(f"revision {self.revision}: {reason}", flush=True)


def read(name):
    route = gql(ROUTE, name=name)["route"]
    if route is None:
        raise ValueError(f"There is no route {name}.")
    return route


def weights_of(route):
    return {target["id"]: target["weight"] for target in route["targets"]}


def weights_at(percent, canary, before):
    """`percent` for the canary; the others share the rest in proportion to their weights of before."""
    total = sum(weight for target, weight in before.items() if target != canary)
    rest = {target: round((100 - percent) * 10_000 * weight / total) for target, weight in before.items()}
    return {**rest, canary: round(percent * 10_000)}


def watch(events, canary, options):
    """Waits until a step has lasted long enough and enough requests were seen. Why it must be taken back, or None."""
    begun_at = time.monotonic()
    for event in events:
        if options.stopped:
            return "stopped"
        seen = next((t for t in event["routeTraffic"]["targets"] if t["target"] and t["target"]["id"] == canary), None)
        if seen is None:
            return f"{options.to} is no target any more"
        p95 = seen["firstByteMs"]["p95"] if seen["firstByteMs"] else 0
        print(
            f"  {seen['observedShare']:.0%} of the traffic, {seen['requests']} requests, "
            f"{seen['errorShare']:.1%} errors, p95 {p95:.0f} ms",
            flush=True,
        )
        if seen["target"]["availability"] not in ("AVAILABLE", "SATURATED"):
            return f"{options.to} is {seen['target']['availability']}"
        lasted = time.monotonic() - begun_at
        if seen["requests"] < options.min_requests:
            if lasted > options.patience:
                return f"fewer than {options.min_requests} requests in {options.patience:g} s"
        elif seen["errorShare"] * 100 > options.max_errors:
            return f"{seen['errorShare']:.1%} of {seen['requests']} requests failed"
        elif p95 > options.max_p95_ms:
            return f"p95 to the first byte is {p95:.0f} ms"
        elif lasted >= options.hold:
            return None
    raise ConnectionError("the subscription ended")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Moves a route to another backend in steps, and back if that does worse.")
    parser.add_argument("route")
    parser.add_argument("--to", required=True, metavar="LABEL", help="a target of the route: a deployment, or provider/model")
    parser.add_argument("--steps", type=steps_of, default=[5, 25, 50, 100], help="in percent, default 5,25,50,100")
    parser.add_argument("--hold", type=float, default=60, help="seconds of each step, and of the window that is judged")
    parser.add_argument("--min-requests", type=int, default=20, help="of the window, before it is judged")
    parser.add_argument("--max-errors", type=float, default=2, help="in percent of the backend's requests")
    parser.add_argument("--max-p95-ms", type=float, default=5000, help="95 of 100 requests have their first byte before")
    parser.add_argument("--patience", type=float, default=1800, help="seconds to wait for so many requests")
    parser.set_defaults(stopped=False)
    return parser.parse_args()


def steps_of(text):
    return [float(step) for step in text.split(",")]


run(main)
