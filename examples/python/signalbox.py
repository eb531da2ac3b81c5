"""What the scripts of this folder share: the API with Python's standard library (3.9 or newer). Keep it beside them."""

import json
import os
import sys
import urllib.error
import urllib.request

if "SIGNALBOX_KEY" not in os.environ:
    sys.exit("SIGNALBOX_KEY is not set: the key of an operator, e.g. the one that the first start printed.")
API = os.environ.get("SIGNALBOX_URL", "http://127.0.0.1:4000") + "/graphql"


class Refused(Exception):
    """The API did nothing, and says why. `codes` are for programs, e.g. {"REVISION_CONFLICT"}; the message is for people."""

    def __init__(self, faults):
        super().__init__("\n".join(describe(fault) for fault in faults))
        self.codes = {code_of(fault) for fault in faults}


def gql(document, **variables):
    """The `data` of a document. Raises `Refused` for `errors`, which are faults of the request, and for `userErrors` of a mutation."""
    with post(document, variables, "application/json") as response:
        return data_of(json.load(response))


def subscribe(document, **variables):
    """Yields the `data` of each event of a subscription, over server-sent events, until the server ends it."""
    with post(document, variables, "text/event-stream") as response:
        for line in response:
            # Besides `data:` there are `event:`, comments that keep the connection open, and blank lines.
            if line.startswith(b"data:") and line[5:].strip():
                yield data_of(json.loads(line[5:]))


def run(main):
    """Runs a script: its exit code is what `main` returns, or 1 with the reason if the API refused or could not be reached."""
    try:
        sys.exit(main())
    except (Refused, OSError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def post(document, variables, accept):
    request = urllib.request.Request(
        API,
        json.dumps({"query": document, "variables": variables}).encode(),
        {
            "authorization": "Bearer " + os.environ["SIGNALBOX_KEY"],
            "content-type": "application/json",
            "accept": accept,
        },
    )
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        # A refused request has a status from 400 on, and the reason in the usual form.
        if "json" in error.headers.get_content_type():
            data_of(json.load(error))
        raise


def data_of(answer):
    payloads = [value for value in (answer.get("data") or {}).values() if isinstance(value, dict)]
    faults = answer.get("errors", []) + [fault for payload in payloads for fault in payload.get("userErrors", [])]
    if faults:
        raise Refused(faults)
    if "data" not in answer:
        raise ValueError(f"{API} is no GraphQL API: {answer}")
    return answer["data"]


def code_of(fault):
    return fault.get("code") or fault.get("extensions", {}).get("code", "ERROR")


def describe(fault):
    return f"{' '.join([code_of(fault), '.'.join(map(str, fault.get('path') or []))]).strip()}: {fault['message']}"
