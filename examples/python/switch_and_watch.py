#!/usr/bin/env python3
"""Sets the weights of a route, and watches until the traffic is split as they say.

    python3 switch_and_watch.py chat qwen3-8b=100 openai/gpt-4o-mini=200

Backends are named by their labels; those of the route that are not named get 0. Needs the scopes CONFIG_READ and TRAFFIC_WRITE.
Exit codes: 0 the traffic follows, 1 refused, 2 wrong arguments, 3 it did not follow within the time.
"""

import argparse
import time

from signalbox import gql, run, subscribe

ROUTE = """query ($name: String!) {
  route(by: { name: $name }) { revision targets { id backend { label } } }
}"""
SWITCH = """mutation ($input: RouteTrafficSetInput!) {
  routeTrafficSet(input: $input) { route { revision } applied userErrors { code path message } }
}"""
TRAFFIC = """subscription ($name: String!) {
  routeTraffic(by: { name: $name }) {
    revision requests
    targets { backendLabel configuredShare observedShare }
    divergence { reason share }
  }
}"""


def main():
    options = parse_arguments()
    revision = switch(options.route, dict(options.weights))
    print(f"revision {revision} of {options.route} is switched; watching the last 10 s", flush=True)
    ends_at = time.monotonic() + options.seconds
    for event in subscribe(TRAFFIC, name=options.route):
        traffic = event["routeTraffic"]
        print(line_of(traffic), flush=True)
        if follows(traffic, revision):
            return 0
        if time.monotonic() > ends_at:
            return 3


def parse_arguments():
    parser = argparse.ArgumentParser(description="Sets the weights of a route, and watches until the traffic follows.")
    parser.add_argument("route")
    parser.add_argument("weights", nargs="+", type=weight_of, metavar="LABEL=WEIGHT")
    parser.add_argument("--seconds", type=float, default=120, help="how long to watch at most")
    return parser.parse_args()


def weight_of(text):
    label, _, weight = text.rpartition("=")
    return label, int(weight)


def switch(name, weights):
    """Sets the weights, unless somebody changes the route between the reading and the writing. The new revision."""
    route = gql(ROUTE, name=name)["route"]
    if route is None:
        raise ValueError(f"There is no route {name}.")
    ids = {target["backend"]["label"]: target["id"] for target in route["targets"]}
    unknown = weights.keys() - ids.keys()
    if unknown:
        raise ValueError(f"{name} has no target {', '.join(sorted(unknown))}; it has {', '.join(ids)}.")
    change = {
        "route": {"name": name},
        "expectedRevision": route["revision"],
        "weights": [{"target": {"id": ids[label]}, "weight": weight} for label, weight in weights.items()],
        "reason": "switch_and_watch.py",
    }
    return gql(SWITCH, input=change)["routeTrafficSet"]["route"]["revision"]


def follows(traffic, revision):
    """Whether the last 10 s were split as configured, to one request or two percent. At first they still show the old split."""
    slack = max(0.02, 1 / max(traffic["requests"], 1))
    return traffic["requests"] >= 10 and traffic["revision"] >= revision and all(
        abs(target["observedShare"] - target["configuredShare"]) <= slack for target in traffic["targets"]
    )


def line_of(traffic):
    shares = [f"{t['backendLabel']} {t['observedShare']:.0%} of {t['configuredShare']:.0%}" for t in traffic["targets"]]
    reasons = [f"{d['reason']} {d['share']:.0%}" for d in traffic["divergence"]]
    return f"{traffic['requests']:6} requests in 10 s: " + ", ".join(shares + reasons)


run(main)
