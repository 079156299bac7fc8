"""A stage that tells what it sees of its cell, its cores and its limits."""

import os
import resource
import time


def run(spec, cell, report):
    report.progress("measure", 1, 1)
    return {
        "key": cell.key,
        "protocol": cell.protocol.name,
        "age_ns": time.monotonic_ns() - spec["started_ns"],
        "cores": sorted(os.sched_getaffinity(0)),
        "data_limit": resource.getrlimit(resource.RLIMIT_DATA),
        "core_limit": resource.getrlimit(resource.RLIMIT_CORE),
    }
