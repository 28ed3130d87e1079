"""Counting of test results: TAP, GoogleTest, and the two output forms of pg_regress (before 16 and since)."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


@dataclass(frozen=True)
class Result:
    """What a program's output and exit status amount to; problems are failures beyond single tests."""

    count: Count
    problems: tuple[str, ...] = ()

    @property
    def total(self) -> Count:
        """A problem that no failed test accounts for counts as one failure."""
        extra = 1 if self.problems and self.count.failed == 0 else 0
        return self.count + Count(failed=extra)


TAP_LINE = re.compile(r"^(not )?ok\b(?:\s+(\d+))?[^#]*(?:#\s*(TODO|SKIP)\b)?", re.IGNORECASE)
TAP_PLAN = re.compile(r"^1\.\.(\d+)(\s*#\s*skip)?", re.IGNORECASE)


def parse_tap(output: str, status: int) -> Result:
    """A plan must be there and be kept; tests marked TODO that fail, and SKIP, count as skipped."""
    passed = failed = skipped = 0
    plan: int | None = None
    problems: list[str] = []
    for line in output.splitlines():
        if match := TAP_LINE.match(line):
            directive = (match[3] or "").upper()
            if directive == "SKIP" or (directive == "TODO" and match[1]):
                skipped += 1
            elif match[1]:
                failed += 1
            else:
                passed += 1
        elif match := TAP_PLAN.match(line):
            if plan is not None:
                problems.append("more than one plan")
            plan = int(match[1])
        elif line.startswith("Bail out!"):
            problems.append(line)
    ran = passed + failed + skipped
    if plan is None:
        problems.append("no plan: it ended early or is not TAP")
    elif plan != ran:
        problems.append(f"planned {plan} tests, ran {ran}")
    if status != 0 and failed == 0:
        problems.append(f"exit status {status}")
    return Result(Count(passed, failed, skipped), tuple(problems))


GTEST_LINE = re.compile(r"^\[\s*(RUN|OK|FAILED|SKIPPED)\s*\] (\S+)(?: \(\d+ ms\))?$|^\[\s*FAILED\s*\] (\S+), .* \(\d+ ms\)$")


def parse_gtest(output: str, status: int) -> Result:
    """The last word on each started test counts; one that was started and never ended has failed."""
    outcome: dict[str, str] = {}
    for line in output.splitlines():
        if line.startswith("[==========]") and " ran." in line:
            break  # what follows is a summary of the same tests
        if match := GTEST_LINE.match(line):
            outcome[match[2] or match[3]] = match[1] or "FAILED"
    words = list(outcome.values())
    unfinished = [name for name, word in outcome.items() if word == "RUN"]
    problems = [f"did not end: {name}" for name in unfinished]
    failed = words.count("FAILED") + len(unfinished)
    if status != 0 and failed == 0:
        problems.append(f"exit status {status}")
    return Result(Count(words.count("OK"), failed, words.count("SKIPPED")), tuple(problems))


REGRESS_OLD = re.compile(r"^(?:test|    )\s*(\S+)\s+\.\.\. (ok|FAILED|failed)")
REGRESS_NEW = re.compile(r"^(not ok|ok)\s+\d+\s+[-+]\s+(\S+)")


def parse_regress(output: str, status: int, expected: int) -> Result:
    """Output of pg_regress and of the isolation tester, for a known number of tests."""
    passed = failed = 0
    for line in output.splitlines():
        if match := REGRESS_OLD.match(line):
            passed, failed = (passed + 1, failed) if match[2] == "ok" else (passed, failed + 1)
        elif match := REGRESS_NEW.match(line):
            passed, failed = (passed + 1, failed) if match[1] == "ok" else (passed, failed + 1)
    problems = []
    if passed + failed != expected:
        problems.append(f"{passed + failed} of {expected} tests ran")
    if status != 0 and failed == 0:
        problems.append(f"exit status {status}")
    return Result(Count(passed, failed), tuple(problems))
