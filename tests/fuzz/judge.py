"""Judges a schemathesis report: a run that tested little must not pass for a clean one.

usage: judge.py REPORT.json
"""

import json
import sys


def main() -> int:
    report = json.load(open(sys.argv[1]))
    operations = report["operations"]
    refused = report["warnings"]["missing_auth"]
    reached = [
        name
        for name, phases in report["valid_rates"].items()
        if any(phase["accepted"] for phase in phases.values())
    ]
    generated = report["test_cases"]["generated"]
    print(
        f"{generated} cases on {operations['tested']} of {operations['total']} operations; "
        f"{len(reached)} operations accepted some, {len(refused)} refused all as not permitted"
    )
    faults = []
    if not report["complete"]:
        faults.append(f"the run ended early: {report['stop_reason']}")
    if operations["tested"] < operations["selected"] or not operations["selected"]:
        faults.append(f"only {operations['tested']} of {operations['selected']} operations were tested")
    if operations["errored"] or report["errors"]:
        faults.append(f"errors on {operations['errored']} operations")
    # The login was lost, or never worked. A plain user is refused on some operations, but never on most.
    if 2 * len(refused) > operations["selected"]:
        faults.append("most operations answered only 401 or 403: " + ", ".join(refused[:5]))
    # Behind the door is where the faults are: seen were 37 operations for a plain user and 66 or more for an administrator.
    if 3 * len(reached) < operations["selected"]:
        faults.append(f"only {len(reached)} operations accepted anything")
    for fault in faults:
        print(f"fuzzing proves nothing: {fault}", file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
