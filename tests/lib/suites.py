"""The suites: each runs its files, prints a line a file, shows what failed, and returns what it counted."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from counting import Count, Result, parse_gtest, parse_regress, parse_tap
from environment import ROOT, Environment, Outcome, Server, head, tail

WORKERS_OFF = ("hermes.workers=off",)
E2E_TIMEOUT = 1200
TAP_TIMEOUT = 900
FUZZ_SECONDS = "5"


def report(label: str, result: Result, outcome: Outcome, seconds: float, detail: str = "") -> Count:
    """One line for a file, more when something in it failed."""
    total = result.total
    state = "FAILED" if total.failed else "ok"
    print(f"   {state:<6} {label}: {total} ({seconds:.1f} s)", flush=True)
    if total.failed:
        for problem in result.problems:
            print(f"      {problem}")
        print(detail or failures_of(outcome), flush=True)
        print(f"      full log: {outcome.log}", flush=True)
    return total


def failures_of(outcome: Outcome) -> str:
    """The failed tests of a TAP file with their diagnostics, else the end of the log."""
    lines = outcome.output.splitlines()
    shown: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith("not ok"):
            shown.append(line)
            for following in lines[number + 1 : number + 25]:
                if not following.startswith("#"):
                    break
                shown.append(following)
    return tail("\n".join(shown[:120]), 120) if shown else tail(outcome.output)


def chosen(paths: Iterable[Path], pattern: str) -> list[Path]:
    return sorted(path for path in paths if pattern in path.stem)


def run_tap_files(
    environment: Environment,
    suite: str,
    paths: list[Path],
    command: Callable[[Path], list[str | Path]],
    more_detail: Callable[[Path], str] | None = None,
    **options: object,
) -> Count:
    total = Count()
    for path in paths:
        began = time.monotonic()
        if sys.stdout.isatty():
            print(f"   ...    {path.name}", end="\r", flush=True)
        outcome = environment.run(command(path), f"{suite}/{path.stem}.log", **options)  # type: ignore[arg-type]
        result = parse_tap(outcome.output, outcome.status)
        detail = f"{failures_of(outcome)}\n{more_detail(path)}" if more_detail else ""
        total += report(path.name, result, outcome, time.monotonic() - began, detail)
    return total


# ---------------------------------------------------------------- without a server


def unit(environment: Environment, pattern: str) -> Count:
    build = ROOT / "build" / "cmake"
    for log, command in (
        ("configure", ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja"]),
        ("build", ["cmake", "--build", build, "--target", "unit_tests", "-j", environment.jobs]),
    ):
        outcome = environment.run(command, f"unit/{log}.log", timeout=1800)
        if outcome.status != 0:
            raise RuntimeError(f"cmake failed:\n{tail(outcome.output)}")
    began = time.monotonic()
    command = [build / "unit_tests", "--gtest_color=no", *([f"--gtest_filter=*{pattern}*"] if pattern else [])]
    outcome = environment.run(command, "unit/unit_tests.log")
    lines = outcome.output.splitlines()
    failed = [number for number, line in enumerate(lines) if line.startswith("[  FAILED  ]") and line.endswith("ms)")]
    detail = "\n".join("\n".join(lines[max(0, number - 12) : number + 1]) for number in failed[:10])
    result = parse_gtest(outcome.output, outcome.status)
    return report("unit_tests", result, outcome, time.monotonic() - began, tail(detail, 130) if detail else "")


def layout(environment: Environment, pattern: str) -> Count:
    """The rules of the tree that need no tool beyond the build: layers, exported symbols, Dockerfile, tests named in a manual."""
    scripts = [ROOT / "tests" / "lint" / name for name in ("counting", "layers", "connectors", "exports", "docker", "sections")]
    return run_tap_files(environment, "layout", chosen(scripts, pattern), lambda path: [path])


def fuzz(environment: Environment, pattern: str) -> Count:
    """Each fuzzer for a few seconds, from its corpus and then at random; make fuzz runs them for longer."""
    script = ROOT / "scripts" / "fuzz"
    names = [name for name in environment.run([script, "--list"], "fuzz/list.log").output.split() if pattern in name]
    if not names:
        return Count()
    began = time.monotonic()
    jobs = {"JOBS": environment.jobs}
    outcome = environment.run([script, "--quick", "--build", *names], "fuzz/build.log", timeout=1800, env=jobs)
    if outcome.status != 0:
        raise RuntimeError(f"the fuzzers cannot be built:\n{tail(outcome.output)}")
    print(f"   built in {time.monotonic() - began:.1f} s", flush=True)
    total = Count()
    for name in names:
        began = time.monotonic()
        command = [script, "--quick", name]
        outcome = environment.run(command, f"fuzz/{name}.log", timeout=300, env={**jobs, "FUZZ_SECONDS": FUZZ_SECONDS})
        passed = outcome.status == 0
        result = Result(Count(passed=int(passed), failed=int(not passed)))
        total += report(name, result, outcome, time.monotonic() - began, tail(outcome.output))
    return total


# ---------------------------------------------------------------- on one private server


def run_pg_regress(environment: Environment, server: Server, suite: str, program: Path, folder: Path, names: list[str]) -> Count:
    """Each test gets a fresh database with the extension, so that no file depends on another."""
    output = environment.logs / suite
    help_text = environment.run([program, "--help"], f"{suite}/help.log").output
    total = Count()
    for name in names:
        work = output / name
        work.mkdir(parents=True)
        command = [
            program,
            f"--bindir={environment.bindir}",
            f"--inputdir={folder}",
            f"--outputdir={work}",
            *([f"--expecteddir={folder}"] if "--expecteddir" in help_text else []),
            f"--host={server.folder}",
            f"--port={server.port}",
            "--user=postgres",
            f"--dbname=hermes_{suite}",
            "--load-extension=hermes_cascade",
            name,
        ]
        began = time.monotonic()
        outcome = environment.run(command, f"{suite}/{name}.log")
        result = parse_regress(outcome.output, outcome.status, 1)
        diffs = work / "regression.diffs"
        detail = head(diffs.read_text(errors="replace")) if diffs.exists() else ""
        total += report(name, result, outcome, time.monotonic() - began, detail)
    return total


def check_pairs(inputs: list[Path], expected: Path, pattern: str) -> Count:
    """A test without expected output, or output without a test, is a test that nobody runs."""
    if pattern:
        return Count()
    names = {path.stem for path in inputs}
    outputs = {path.stem.split("_alt")[0] for path in expected.glob("*.out")}
    for name in sorted(names ^ outputs):
        print(f"   FAILED {name}: {'no expected output' if name in names else 'expected output without a test'}")
    return Count(failed=len(names ^ outputs))


def regress(environment: Environment, pattern: str) -> Count:
    inputs = list((ROOT / "sql").glob("*.sql"))
    program = environment.pgxs / "test" / "regress" / "pg_regress"
    total = check_pairs(inputs, ROOT / "expected", pattern)
    with environment.server("regress", WORKERS_OFF) as server:
        names = [path.stem for path in chosen(inputs, pattern)]
        return total + run_pg_regress(environment, server, "regress", program, ROOT, names)


def isolation(environment: Environment, pattern: str) -> Count:
    folder = ROOT / "tests" / "isolation"
    inputs = list((folder / "specs").glob("*.spec"))
    program = environment.pgxs / "test" / "isolation" / "pg_isolation_regress"
    total = check_pairs(inputs, folder / "expected", pattern)
    with environment.server("isolation", WORKERS_OFF) as server:
        names = [path.stem for path in chosen(inputs, pattern)]
        return total + run_pg_regress(environment, server, "isolation", program, folder, names)


def create_pgtap(environment: Environment, server: Server, suite: str) -> None:
    outcome = environment.run(
        environment.psql(server, "--command=CREATE EXTENSION IF NOT EXISTS pgtap SCHEMA public"), f"{suite}/pgtap.log"
    )
    if outcome.status != 0:
        raise RuntimeError(f"pgtap cannot be created:\n{tail(outcome.output)}")


def pgtap(environment: Environment, pattern: str) -> Count:
    with environment.server("pgtap", WORKERS_OFF) as server:
        create_pgtap(environment, server, "pgtap")
        files = chosen((ROOT / "pgtap").glob("*.sql"), pattern)
        return run_tap_files(environment, "pgtap", files, lambda path: environment.psql(server, f"--file={path}"))


def examples(environment: Environment, pattern: str) -> Count:
    """The tests that a user copies, as a user runs them: each in a database of its own, with workers, committing."""
    files = chosen((ROOT / "pgtap" / "examples").glob("*.sql"), pattern)
    with environment.server("examples") as server:
        for path in files:
            made = environment.run(environment.psql(server, f"--command=CREATE DATABASE {path.stem}"), f"examples/{path.stem}-made.log")
            extensions = ["--command=CREATE EXTENSION pgtap", "--command=CREATE EXTENSION hermes_cascade"]
            ready = environment.run(environment.psql(server, *extensions, database=path.stem), f"examples/{path.stem}-ready.log")
            if made.status or ready.status:
                raise RuntimeError(f"no database for {path.name}:\n{tail(made.output + ready.output)}")
        return run_tap_files(
            environment, "examples", files, lambda path: environment.psql(server, f"--file={path}", database=path.stem)
        )


def boundary(environment: Environment, pattern: str) -> Count:
    return run_boundary(environment, "boundary", pattern, ())


def boundary_asan(environment: Environment, pattern: str) -> Count:
    """The same files with everything built under ASan and UBSan, which are preloaded into the server."""
    command = ["make", "-C", ROOT, "-j", environment.jobs, f"PG_CONFIG={environment.pg_config}", "sanitize"]
    outcome = environment.run(command, "boundary-asan/build.log", timeout=1800)
    if outcome.status != 0:
        raise RuntimeError(f"make sanitize failed:\n{tail(outcome.output)}")
    return run_boundary(environment, "boundary-asan", pattern, ("--sanitize",))


def run_boundary(environment: Environment, suite: str, pattern: str, options: tuple[str, ...]) -> Count:
    with environment.server(suite, WORKERS_OFF, options) as server:
        create_pgtap(environment, server, suite)
        files = chosen((ROOT / "tests" / "pg_boundary").glob("*.sql"), pattern)
        return run_tap_files(environment, suite, files, lambda path: environment.psql(server, f"--file={path}"))


# ---------------------------------------------------------------- with servers of their own


def tap(environment: Environment, pattern: str) -> Count:
    """Perl tests on PostgreSQL::Test; they start servers, so root hands them to the unprivileged account."""
    work = environment.folder / "tap"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "tap", work)
    (work / "tmp_check").mkdir(exist_ok=True)
    environment.hand_over(work)
    variables = {
        "TESTDIR": str(work),
        "TESTDATADIR": str(work / "tmp_check"),
        "TESTLOGDIR": str(work / "tmp_check" / "log"),
        "PG_REGRESS": str(environment.pgxs / "test" / "regress" / "pg_regress"),
        "PATH": f"{environment.bindir}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(work),
        "LC_ALL": "C.UTF-8",
    }

    def end_of_own_log(path: Path) -> str:
        # PostgreSQL::Test keeps what a test dies of in a log of its own.
        log = work / "tmp_check" / "log" / f"regress_log_{path.stem}"
        return f"      end of {log.name}:\n{tail(log.read_text(errors='replace'), 20)}" if log.exists() else ""

    files = chosen(work.glob("*.pl"), pattern)
    include = environment.pgxs / "test" / "perl"
    total = run_tap_files(
        environment,
        "tap",
        files,
        lambda path: ["perl", "-I", include, "-I", work, path],
        end_of_own_log,
        cwd=work,
        env=variables,
        unprivileged=True,
        timeout=TAP_TIMEOUT,
    )
    if total.failed and (work / "tmp_check" / "log").exists():
        shutil.copytree(work / "tmp_check" / "log", environment.logs / "tap" / "servers", dirs_exist_ok=True)
    return total


def e2e(environment: Environment, pattern: str) -> Count:
    """Real HTTP peers as separate processes; each file starts and stops its own servers."""
    files = chosen((ROOT / "tests" / "e2e").glob("*_test.py"), pattern)
    return run_tap_files(
        environment, "e2e", files, lambda path: ["/usr/bin/python3", "-u", path], timeout=E2E_TIMEOUT
    )


SUITES: dict[str, Callable[[Environment, str], Count]] = {
    "unit": unit,
    "layout": layout,
    "fuzz": fuzz,
    "regress": regress,
    "isolation": isolation,
    "pgtap": pgtap,
    "examples": examples,
    "boundary": boundary,
    "boundary-asan": boundary_asan,
    "tap": tap,
    "e2e": e2e,
}
