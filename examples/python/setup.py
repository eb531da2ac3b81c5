#!/usr/bin/env python3
"""Makes an installation have the deployments, providers and routes of a file. Run again, it changes only what differs, so nothing.

    OPENAI_API_KEY=… python3 setup.py setup.json
    OPENAI_API_KEY=… python3 setup.py setup.json --dry-run

What the file does not name stays as it is, and nothing is deleted. Of what exists it sets the model and endpoints of deployments, the
address, secret and models of providers, targets, weights and fallback of routes. Secrets come from the environment (`secretFrom`).
Needs the scopes CONFIG_READ and CONFIG_WRITE. Exit codes: 0 done, 1 refused.
"""

import argparse
import json
import os
import time
import uuid

from signalbox import gql, run

DEPLOYMENT = """query ($name: String!) {
  found: deployment(by: { name: $name }) { revision upstreamModel endpoints { url weight maxInFlight } }
}"""
PROVIDER = """query ($name: String!) {
  found: provider(by: { name: $name }) { revision baseUrl credentials { hint } models { upstreamModel } }
}"""
ROUTE = """query ($name: String!) {
  found: route(by: { name: $name }) { revision targets { backend { label } weight } fallback { backends { label } } }
}"""
# Of an input every member that is not given stays as it is.
MUTATION = """mutation ($input: %sInput!) { %s(input: $input) { userErrors { code path message } } }"""


def main():
    parser = argparse.ArgumentParser(description="Makes an installation have what a file says.")
    parser.add_argument("file", type=argparse.FileType(encoding="utf-8"))
    parser.add_argument("--dry-run", action="store_true", help="only says what would be done")
    options = parser.parse_args()
    wanted = json.load(options.file)
    apply = print_only if options.dry_run else change
    # Backends come before the routes that refer to them.
    for deployment in wanted.get("deployments", []):
        set_up_deployment(deployment, apply)
    for provider in wanted.get("providers", []):
        set_up_provider(provider, apply)
    for route in wanted.get("routes", []):
        set_up_route(route, apply)


def set_up_deployment(wanted, apply):
    found = gql(DEPLOYMENT, name=wanted["name"])["found"]
    if found is None:
        # Routes have a section of their own in the file.
        return apply("deploymentCreate", {"enableModelRoute": False, **wanted, "idempotencyKey": str(uuid.uuid4())})
    endpoints = [{"weight": 1, "maxInFlight": None, **endpoint} for endpoint in wanted["endpoints"]]
    changes = {}
    if found["upstreamModel"] != wanted.get("upstreamModel", wanted["name"]):
        changes["upstreamModel"] = wanted.get("upstreamModel", wanted["name"])
    if by_url(found["endpoints"]) != by_url(endpoints):
        changes["endpoints"] = endpoints
    if changes:
        apply("deploymentUpdate", {"deployment": {"name": wanted["name"]}, "expectedRevision": found["revision"], **changes})


def set_up_provider(wanted, apply):
    secrets = [secret_from(wanted["secretFrom"])] if "secretFrom" in wanted else []
    wanted = {key: value for key, value in wanted.items() if key != "secretFrom"}
    found = gql(PROVIDER, name=wanted["name"])["found"]
    if found is None:
        return apply("providerCreate", {**wanted, "secrets": secrets, "idempotencyKey": str(uuid.uuid4())})
    changes = {}
    if found["baseUrl"] != wanted["baseUrl"].rstrip("/"):
        # A stored secret never goes to another address than the one that it was entered for.
        changes = {"baseUrl": wanted["baseUrl"], "secrets": secrets}
    if [credential["hint"] for credential in found["credentials"]] != [hint_of(secret) for secret in secrets]:
        changes["secrets"] = secrets
    if {model["upstreamModel"] for model in found["models"]} != {model["upstreamModel"] for model in wanted["models"]}:
        changes["models"] = wanted["models"]
    if changes:
        apply("providerUpdate", {"provider": {"name": wanted["name"]}, "expectedRevision": found["revision"], **changes})


def set_up_route(wanted, apply):
    found = gql(ROUTE, name=wanted["name"])["found"]
    fallback = wanted.get("fallback", [])
    if found is None:
        route = {"name": wanted["name"], "targets": wanted["targets"], "idempotencyKey": str(uuid.uuid4())}
        return apply("routeCreate", {**route, "fallback": {"backends": fallback}} if fallback else route)
    route = {"route": {"name": wanted["name"]}, "expectedRevision": found["revision"]}
    targets = {target["backend"]["label"]: target["weight"] for target in found["targets"]}
    if targets != {label_of(target["backend"]): target["weight"] for target in wanted["targets"]}:
        apply("routeTargetsSet", {**route, "targets": wanted["targets"]})
        # Each change makes one revision.
        route["expectedRevision"] += 1
    backends = [backend["label"] for backend in (found["fallback"] or {"backends": []})["backends"]]
    if backends != [label_of(backend) for backend in fallback]:
        apply("routeFallbackSet", {**route, "fallback": {"backends": fallback} if fallback else None})


def secret_from(variable):
    if variable not in os.environ:
        raise ValueError(f"{variable} is not set.")
    return os.environ[variable]


def hint_of(secret):
    """All that can be read of a stored secret."""
    return secret[-4:] if len(secret) >= 8 else "****"


def by_url(endpoints):
    """Addresses are stored without a slash at the end."""
    return {endpoint["url"].rstrip("/"): {**endpoint, "url": None} for endpoint in endpoints}


def label_of(backend):
    if "deployment" in backend:
        return backend["deployment"]
    return f"{backend['providerModel']['provider']}/{backend['providerModel']['model']}"


def change(mutation, given):
    """Once more if no answer comes: the idempotency key makes one object of two calls, `expectedRevision` makes one change of them."""
    document = MUTATION % (mutation[0].upper() + mutation[1:], mutation)
    for pause in (1, 3, None):
        try:
            gql(document, input={**given, "reason": "setup.py"})
            return print_only(mutation, given)
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)


def print_only(mutation, given):
    subject = given.get("name") or next(value["name"] for value in given.values() if isinstance(value, dict))
    print(f"{mutation} {subject}")


run(main)
