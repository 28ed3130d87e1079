"""The rows of a run, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any


@dataclasses.dataclass
class Row:
    name: str
    value: float
    unit: str
    workload: str  # in one line
    ratio: float | None = None
    against: str = ""  # what the ratio is to
    note: str = ""
    at: float = 0.0  # when it was measured, seconds


def shown(value: float, unit: str) -> str:
    if value >= 1000:
        text = f"{value:,.0f}"
    elif value >= 100:
        text = f"{value:.0f}"
    elif unit == "cores":
        text = f"{value:.4f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}"


def table(rows: list[Row]) -> str:
    cells = [("figure", "measured", "ratio", "to", "")] + [
        (row.name, shown(row.value, row.unit), "" if row.ratio is None else f"{row.ratio:.3g}", row.against, row.note)
        for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    lines = []
    for index, line in enumerate(cells):
        lines.append(f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  "
                     f"{line[3]:<{widths[3]}}  {line[4]}".rstrip())
        if index == 0:
            lines.append("-" * (sum(widths) + 6))
    return "\n".join(lines)


def medians(runs: list[list[Row]]) -> list[Row]:
    """Of several runs with the same figures: each figure as in the run that is the middle one for it, by ratio where it has one."""
    if len(runs) == 1:
        return runs[0]
    rows = []
    for nth in range(len(runs[0])):
        each = [rows_of_run[nth] for rows_of_run in runs]
        key = [row.value if row.ratio is None else row.ratio for row in each]
        middle = sorted(range(len(each)), key=key.__getitem__)[len(each) // 2]
        seen = "of " + ", ".join(f"{value:.3g}" if value < 1000 else f"{value:,.0f}" for value in key)
        rows.append(dataclasses.replace(each[middle], note=f"{seen}; {each[middle].note}" if each[middle].note else seen))
    return rows


def workloads(rows: list[Row]) -> str:
    return "\n".join(f"  {row.name}: {row.workload}" for row in rows)


def save(path: pathlib.Path, rows: list[Row], facts: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = dict(facts, rows=[dataclasses.asdict(row) for row in rows])
    path.write_text(json.dumps(document, indent=1, default=str) + "\n")
