"""What a host option may not ask for at the same time, whatever the host."""

from __future__ import annotations

from harness.config.schema import HostConfig


def contradiction(config: HostConfig) -> str | None:
    """Return one line, beginning with a field's name, on what in a host option excludes itself on any host, or None."""
    cores, threads = config.cores, config.threads
    ways = {
        "numa_node": config.numa_node is not None,
        "sockets": config.sockets is not None,
        "whole": config.whole,
    }
    asked = [name for name, is_set in ways.items() if is_set]
    if len(asked) > 1:
        return f"{asked[1]}={getattr(config, asked[1])}: host.{asked[0]} says otherwise; want one of both"
    if cores is None:
        return None
    if not cores:
        return "cores=[]: want at least one logical CPU"
    twice = sorted({cpu for cpu in cores if cores.count(cpu) > 1})
    if twice:
        return f"cores: CPU {', '.join(map(str, twice))} is there twice; want each once"
    for name in ("sockets", "whole"):
        if name in asked:
            return f"{name}={getattr(config, name)}: host.cores names the cores already; want one of both"
    if threads is not None and threads != len(cores):
        return f"threads={threads}: host.cores names {len(cores)}, with a thread on each; leave it out"
    return None
