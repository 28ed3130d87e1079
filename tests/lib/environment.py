"""What the suites share: paths, the server's programs, private clusters, running a program with a log and a time limit."""

from __future__ import annotations

import filecmp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TAIL_LINES = 40


@dataclass(frozen=True)
class Server:
    """A running private cluster of scripts/server."""

    folder: Path
    port: int

    @property
    def client_options(self) -> list[str]:
        return [f"--host={self.folder}", f"--port={self.port}"]


@dataclass(frozen=True)
class Outcome:
    output: str
    status: int
    log: Path


class Environment:
    """Entered once a run; leaves no process and no folder behind (HC_KEEP=1 keeps the folder)."""

    def __init__(self) -> None:
        self.pg_config = os.environ.get("PG_CONFIG") or "pg_config"
        self.jobs = os.environ.get("JOBS") or str(os.cpu_count() or 2)
        self.bindir = self._ask("--bindir")
        self.pkglibdir = self._ask("--pkglibdir")
        self.pgxs = Path(self._ask("--pgxs")).parents[1]  # .../pgxs/src
        self.logs = ROOT / "build" / "test-logs"
        self.folder = Path()
        self.problems: list[str] = []

    def _ask(self, option: str) -> str:
        return subprocess.run([self.pg_config, option], check=True, capture_output=True, text=True).stdout.strip()

    def __enter__(self) -> Environment:
        built, installed = ROOT / "hermes_cascade.so", Path(self.pkglibdir) / "hermes_cascade.so"
        if not installed.exists():
            print("note: the extension is not installed; 'make install' installs it, 'make test' does so by itself")
        elif built.exists() and not filecmp.cmp(built, installed, shallow=False):
            print("note: the installed module is not the one built here; 'make install' installs it")
        self.folder = Path(tempfile.mkdtemp(prefix="hermes_test_"))
        self.folder.chmod(0o711)  # the server's account passes through to what it owns
        return self

    def __exit__(self, *_: object) -> None:
        if os.environ.get("HC_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def clear_logs(self, suite: str) -> None:
        shutil.rmtree(self.logs / suite, ignore_errors=True)
        (self.logs / suite).mkdir(parents=True)

    # ---- the unprivileged account ----

    @property
    def server_account(self) -> pwd.struct_passwd | None:
        """The account that root hands servers to; None when we are not root."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise RuntimeError("no unprivileged account (postgres, nobody) to run a server with")

    def hand_over(self, path: Path) -> None:
        """Gives a folder to the server's account."""
        if account := self.server_account:
            for parent, folders, files in os.walk(path):
                for name in [".", *folders, *files]:
                    os.chown(Path(parent) / name, account.pw_uid, account.pw_gid, follow_symlinks=False)

    # ---- programs ----

    def run(
        self,
        command: Sequence[str | Path],
        log: str,
        *,
        timeout: float = 600,
        cwd: Path = ROOT,
        env: dict[str, str] | None = None,
        unprivileged: bool = False,
    ) -> Outcome:
        """Runs a program in its own session; output to the log, and back. A time-out is exit status 124."""
        path = self.logs / log
        path.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PG_CONFIG": self.pg_config, "TMPDIR": str(self.folder), **(env or {})}
        account = self.server_account if unprivileged else None
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        with path.open("w", errors="replace") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=environment,
                start_new_session=True,
                **identity,
            )
            try:
                status = self._wait(process, timeout)
            except BaseException:  # an interrupted run leaves nothing behind
                self._end(process)
                raise
        return Outcome(path.read_text(errors="replace"), status, path)

    def _wait(self, process: subprocess.Popen[bytes], timeout: float) -> int:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._end(process)
            return 124

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        for sent in (signal.SIGTERM, signal.SIGKILL):  # the first lets a harness stop the servers that it started
            try:
                os.killpg(process.pid, sent)
                process.wait(30)
                return
            except (subprocess.TimeoutExpired, ProcessLookupError):
                continue

    # ---- servers ----

    @contextmanager
    def server(self, name: str, settings: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Server]:
        folder = self.folder / name
        script = ROOT / "scripts" / "server"
        confs = [word for setting in settings for word in ("--conf", setting)]
        started = self.run([script, "start", "--dir", folder, *confs, *options], f"{name}/server-start.log", timeout=300)
        try:
            if started.status != 0:
                raise RuntimeError(f"the server did not start:\n{tail(started.output)}")
            yield Server(folder, int((folder / "port").read_text()))
        finally:
            if (folder / "log").exists():
                shutil.copyfile(folder / "log", self.logs / name / "server.log")
            for report in sorted([*folder.glob("asan.*"), *folder.glob("ubsan.*")]):
                shutil.copyfile(report, self.logs / name / report.name)
                self.problems.append(f"sanitizer report {report.name}:\n{head(report.read_text(errors='replace'), 30)}")
            remove = [] if os.environ.get("HC_KEEP") else ["--remove"]
            stopped = self.run([script, "stop", *remove, "--dir", folder], f"{name}/server-stop.log", timeout=120)
            if stopped.status != 0:
                self.problems.append(f"the server did not stop:\n{tail(stopped.output)}")
                self.run([script, "stop", "--immediate", "--dir", folder], f"{name}/server-kill.log", timeout=120)

    def take_problems(self) -> list[str]:
        """What went wrong beside the tests since the last call; each counts as a failure."""
        problems, self.problems = self.problems, []
        return problems

    def psql(self, server: Server, *arguments: str | Path, database: str = "hermes") -> list[str | Path]:
        return [
            Path(self.bindir) / "psql",
            *server.client_options,
            "--username=postgres",
            f"--dbname={database}",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set=ON_ERROR_STOP=1",
            *arguments,
        ]


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join("      " + line for line in text.splitlines()[-lines:])


def head(text: str, lines: int = 60) -> str:
    """The beginning: what differs first in a diff is what matters."""
    return "\n".join("      " + line for line in text.splitlines()[:lines])
