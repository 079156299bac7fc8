"""What a rerun says of the recorded figure: a sentence each on data, accuracy, speed, and what differs around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.publish.common.code_words import is_same, revision_words
from harness.publish.common.flatten import flatten
from harness.results import timings
from harness.stats.timings import estimate, pairs, repetition
from harness.stats.timings.common_level import CommonLevel, common_level
from harness.stats.timings.disturbance import Invocation
from harness.stats.timings.estimate import Interval
from harness.text.words import counted

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One sentence. `holds` says whether that part of the figure holds; None where it decides nothing."""

    topic: str
    holds: bool | None
    sentence: str


@dataclass(frozen=True)
class Figures:
    """One cell's records in one run; None where there is none. Timings are those of the latency, by block."""

    header: Record
    prepared: Record | None
    accuracy: Record | None
    dataset: Record | None
    timings: Mapping[int, Invocation]
    baseline_timings: Mapping[int, Invocation]


def figures(records: Sequence[Record], digest: str, baseline: str | None) -> Figures:
    """Return what a run holds of the cell with that digest, and the timings of the baseline's."""

    def of(kind: str) -> Record | None:
        return next((one for one in records if one["type"] == kind and one["cell_digest"] == digest), None)

    accuracy = of("accuracy")
    key = None if accuracy is None else accuracy["tokenised"]
    dataset = next((one for one in records if one["type"] == "dataset" and one["tokenised"] == key), None)
    return Figures(
        records[0], of("prepared"), accuracy, dataset, _timings(records, digest), _timings(records, baseline)
    )


def findings(then: Figures, now: Figures, confidence: float) -> list[Finding]:
    """Return what the records of both runs say: of data, artefact, accuracy and speed, in this order."""
    same_host = then.header["host"] == now.header["host"]
    found = []
    if then.dataset is not None and now.dataset is not None:
        found.append(_data(then.dataset, now.dataset))
    if then.prepared is not None and now.prepared is not None:
        found.append(_artefact(then.prepared, now.prepared))
    if then.accuracy is not None and now.accuracy is not None:
        found.append(_accuracy(then.accuracy, now.accuracy, same_host))
    old, new = (common_level(side.baseline_timings, side.timings, confidence) for side in (then, now))
    if same_host and old is not None and new is not None:
        found.append(_latency(old, new, confidence))
    speed_up = _speed_up(then, now, confidence, same_host)
    return found if speed_up is None else [*found, speed_up]


def around(
    then: Figures, now: Figures, hosts: tuple[Record | None, Record], locks: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Return what differs around the figure: the host field by field, the harness, and today's locks.

    Parameters
    ----------
    hosts : the stored description of the original host, None where it is not stored, and that of this one.
    locks : environment -> what differs between its original lock, in which the rerun ran, and the one of today.
    """
    found = [
        Finding("host", None, _hosts(then.header["host"], now.header["host"], *hosts)),
        Finding("harness", None, _code(then.header["harness"], now.header["harness"])),
    ]
    for name, changed in locks.items():
        if changed:
            text = f"Today's lock of {name}, which has no part in this rerun, differs: {'; '.join(changed)}."
            found.append(Finding("lock", None, text))
    return found


def verdict(found: Sequence[Finding]) -> tuple[bool, str]:
    """Return whether the figure holds, and the sentence that says so."""
    broken = [one.topic for one in found if one.holds is False]
    held = [one.topic for one in found if one.holds is True]
    if broken:
        return False, f"The old figure does not hold: {', '.join(broken)}."
    return True, f"The old figure holds: {', '.join(held)}."


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return one text for each field of two descriptions that differs: ``kernel: 6.1, now 6.2``."""
    first, second = flatten(then), flatten(now)
    names = [*first, *(name for name in second if name not in first)]
    return [
        f"{name}: {first.get(name)}, now {second.get(name)}" for name in names if first.get(name) != second.get(name)
    ]


def pin_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return one text for each package whose pins differ: ``torch: 2.12.0, now 2.13.0``."""
    return differences(dict(sorted({**dict.fromkeys(now, "absent"), **then}.items())),
                       {**dict.fromkeys(then, "absent"), **now})  # fmt: skip


def _data(old: Record, new: Record) -> Finding:
    changed = [name for name in ("fingerprints", "rows", "labels", "references") if old[name] != new[name]]
    if changed:
        return Finding(
            "data", False, f"The data of {old['task']} are not the original ones: {', '.join(changed)} differ."
        )
    text = "fingerprints, rows, labels and references are equal"
    return Finding("data", True, f"The data of {old['task']} are the original ones: {text}.")


def _artefact(old: Record, new: Record) -> Finding:
    sizes = "" if old["size_bytes"] == new["size_bytes"] else f" ({new['size_bytes']} bytes, then {old['size_bytes']})"
    if old["artefact"] == new["artefact"]:
        how = "was at hand, and its files have their recorded hashes" if new["reused"] else "was made again"
        return Finding("artefact", None, f"The artefact has the original key, {old['artefact']}; it {how}{sizes}.")
    keys = {stage["stage"]: stage["artefact"] for stage in old["stages"]}
    changed = [stage["stage"] for stage in new["stages"] if keys.get(stage["stage"]) != stage["artefact"]]
    why = f"because the code, config, host or inputs of the stage {changed[0]} have changed" if changed else "by itself"
    text = f"The artefact has another key, {new['artefact']} instead of {old['artefact']}, {why}{sizes}."
    return Finding("artefact", None, text)


def _accuracy(old: Record, new: Record, same_host: bool) -> Finding:
    name = old["metric"]["name"]
    old_value, new_value = (f"{one['metric']['value']:.6g}" for one in (old, new))
    if old["rows"] != new["rows"]:
        text = f"The {name} is over {new['rows']} rows instead of {old['rows']}, so it does not compare."
        return Finding("accuracy", False, text)
    other = sum(one != two for one, two in zip(old["predictions"], new["predictions"], strict=True))
    if other or old["metric"]["value"] != new["metric"]["value"]:
        text = f"{other} of {old['rows']} predictions differ, {name} {new_value} instead of {old_value}"
        return Finding("accuracy", False, f"The accuracy is not bit-equal: {text}.")
    text = f"{name} {new_value}, all {new['rows']} predictions"
    if old["logits_sha256"] == new["logits_sha256"]:
        return Finding("accuracy", True, f"The accuracy is bit-equal: {text} and all logits.")
    # Another instruction set sums in another order, so only the same host owes the same bits.
    where = "though the host is the same" if same_host else "which another host does not owe"
    return Finding("accuracy", not same_host, f"The accuracy is equal, {text}, but not bit by bit in logits, {where}.")


def _latency(old: CommonLevel, new: CommonLevel, confidence: float) -> Finding:
    """Say of the p50, at the level of the tables, whether it is where a repetition falls."""
    recorded, value = estimate.in_units(old.level, 1e-6), new.level.estimate / 1e6
    expected = repetition.of_levels([level / 1e6 for level in old.by_block.values()], len(new.by_block), confidence)
    text = f"The p50 is {value:.2f} ms in {_blocks(new.by_block)}, recorded is {recorded.estimate:.2f}"
    if expected is None:
        return Finding("latency", None, f"{text} in one block, which has no interval to be in.")
    text += f" {_ends(recorded)} in {_blocks(old.by_block)}: it is {_inside(recorded, value)} that interval, and"
    holds = expected.holds(value)
    return Finding("latency", holds, f"{text} {_inside(expected, value)} {_where(expected, confidence)}.")


def _speed_up(then: Figures, now: Figures, confidence: float, same_host: bool) -> Finding | None:
    old = pairs.speed_up(then.baseline_timings, then.timings, confidence)
    new = pairs.speed_up(now.baseline_timings, now.timings, confidence)
    if old is None or new is None:
        return None
    text = f"The speed-up over the baseline is {new.estimate:.2f}x, recorded is {old.estimate:.2f}x"
    expected = repetition.of_ratio(old, new.pairs, confidence)
    if expected is None:
        return Finding("speed-up", None, f"{text} in one block, which has no interval to be in.")
    recorded = Interval(old.estimate, old.low, old.high)
    holds = expected.holds(new.estimate)
    text += f" {_ends(recorded)}: it is {_inside(expected, new.estimate)} {_where(expected, confidence)}"
    if same_host:
        return Finding("speed-up", None, f"{text}.")
    return Finding("speed-up", holds, f"{text}; between hosts nothing else of latency compares.")


def _inside(interval: Interval, value: float) -> str:
    return "inside" if interval.holds(value) else "outside"


def _where(interval: Interval, confidence: float) -> str:
    return f"{_ends(interval)}, where {confidence:.0%} of repetitions fall"


def _ends(interval: Interval) -> str:
    return f"[{interval.low:.2f}, {interval.high:.2f}]"


def _blocks(levels: Mapping[int, float]) -> str:
    return counted(len(levels), "block")


def _hosts(then: str, now: str, old: Record | None, new: Record) -> str:
    if old is None:
        return f"The original host, {then}, is not described in the results, so its fields do not compare."
    changed = differences(old, new)
    which = f"The host is the original one, {now}" if then == now else f"The host is another, {now} instead of {then}"
    return f"{which}; what differs is {'; '.join(changed)}." if changed else f"{which}; no field differs."


def _code(then: Record, now: Record) -> str:
    was, now_is = (f"{code['version']}, {revision_words(code)}" for code in (then, now))
    if was != now_is:
        return f"The harness was {was}; it is {now_is}."
    if is_same(then, now):
        return f"The harness is the original one, {now_is}."
    return f"The harness was and is {now_is}; whether its code is the original is not known."


def _timings(records: Sequence[Record], digest: str | None) -> dict[int, Invocation]:
    lines = (line for line in records if line["type"] == "invocation" and line["cell_digest"] == digest)
    return timings.by_block(lines, "latency")
