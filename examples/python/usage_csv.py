#!/usr/bin/env python3
"""The usage of one day by route and model as CSV; the day begins and ends at midnight of a time zone.

    python3 usage_csv.py --zone Europe/Berlin > yesterday.csv
    python3 usage_csv.py --zone Europe/Berlin --day 2026-11-30

`requests`, tokens and `cost` (USD, exact, empty if nothing had a price) are for the day. Needs the scope USAGE_READ.
Exit codes: 0 done, 1 refused, 2 wrong arguments, 3 the usage of the day is not complete yet, so nothing was written.
"""

import argparse
import csv
import sys
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from signalbox import gql, run

METRICS = ["requests", "failures", "fallbacks", "inputTokens", "cachedInputTokens", "outputTokens", "cost"]
USAGE = """query ($range: TimeRangeInput!) {
  usage(range: $range, groupBy: [ROUTE, BACKEND], limit: 10000) {
    completeUntil lostRequests truncated
    rows { group { labels } metrics { %s } }
  }
}""" % " ".join(METRICS)


def main():
    parser = argparse.ArgumentParser(description="The usage of one day by route and model as CSV.")
    parser.add_argument("--zone", type=zone_of, default="UTC", help="IANA name, default UTC")
    parser.add_argument("--day", type=date.fromisoformat, help="default: yesterday there")
    options = parser.parse_args()
    day = options.day or datetime.now(options.zone).date() - timedelta(days=1)

    # The day of a time zone has 23 or 25 hours where the clocks change: both ends are taken from the calendar.
    until = utc(day + timedelta(days=1), options.zone)
    report = gql(USAGE, range={"from": utc(day, options.zone), "to": until})["usage"]
    if report["completeUntil"] < until:
        print(f"Usage is complete until {report['completeUntil']}, the day ends at {until}.", file=sys.stderr)
        return 3
    if report["truncated"] or report["lostRequests"]:
        print(f"Not exact: truncated {report['truncated']}, lost requests {report['lostRequests']}.", file=sys.stderr)

    table = csv.writer(sys.stdout)
    table.writerow(["day", "route", "model", *METRICS])
    for row in report["rows"]:
        table.writerow([day, *row["group"]["labels"], *(row["metrics"][metric] for metric in METRICS)])
    return 0


def zone_of(name):
    try:
        return ZoneInfo(name)
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"this machine knows no time zone {name}") from error


def utc(day, zone):
    """The first instant of the day, as the API writes instants, so that they compare as text."""
    midnight = datetime.combine(day, time.min, zone).astimezone(timezone.utc)
    return midnight.isoformat(timespec="milliseconds").replace("+00:00", "Z")


run(main)
