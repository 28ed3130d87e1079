"""A private cluster and the two peer processes: started, waited for by condition, stopped by their own pid.

Used by the demo and by the end-to-end tests.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SERVER = ROOT / "scripts" / "server"
PYTHON = "/usr/bin/python3"

T = TypeVar("T")


class Timeout(AssertionError):
    """A condition did not become true in time."""


def wait_until(condition: Callable[[], T], timeout: float = 15.0, what: str = "", interval: float = 0.02) -> T:
    """The first true value of the condition; an error it raises counts as not yet and is told when time is up."""
    end = time.monotonic() + timeout
    problem: Exception | None = None
    while True:
        value: T | None = None
        try:
            value = condition()
            problem = None
        except Exception as error:  # noqa: BLE001 (whatever it is, it is reported below)
            problem = error
        if value:
            return value
        if time.monotonic() >= end:
            name = what or getattr(condition, "__name__", "condition")
            raise Timeout(f"not within {timeout:g} s: {name}; last value {value!r}, last error {problem!r}")
        time.sleep(interval)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def http_json(method: str, url: str, body: Any = None, timeout: float = 10.0) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as response:
        return json.loads(response.read() or b"null")


class Cluster:
    """A private cluster by scripts/server, in its own folder and on its own port."""

    def __init__(self, folder: Path, settings: Sequence[str] = (), extension: bool = True) -> None:
        self.folder = folder
        self.port = 0  # chosen by the first start, kept by later ones
        self.settings = list(settings)
        self.extension = extension

    def start(self) -> None:
        options = [] if self.extension else ["--no-extension"]
        options += ["--port", str(self.port)] if self.port else []
        for setting in self.settings:
            options += ["--conf", setting]
        self._run("start", *options)
        self.port = int((self.folder / "port").read_text())

    def stop(self, *options: str) -> None:
        self._run("stop", *options)

    def dsn(self, user: str = "postgres", database: str = "hermes") -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} connect_timeout=5"

    def postmaster_pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def log_text(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _run(self, command: str, *options: str) -> None:
        done = subprocess.run([str(SERVER), command, "--dir", str(self.folder), *options], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"scripts/server {command} failed with status {done.returncode}:\n{done.stdout}")


class Peer:
    """One peer process with its control interface."""

    def __init__(self, name: str, program: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        port_file = folder / f"{name}.port"
        port_file.unlink(missing_ok=True)
        self.output = folder / f"{name}.log"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [PYTHON, str(HERE / program), "--port-file", str(port_file), *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            self.port = wait_until(lambda: self._port(port_file), 15.0, f"the port of {name}")
        except BaseException:
            self.stop()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def _port(self, port_file: Path) -> int:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {self.process.returncode}, see {self.output}")
        return int(port_file.read_text()) if port_file.exists() else 0

    def get(self, path: str) -> Any:
        return http_json("GET", self.url + path)

    def post(self, path: str, body: Any) -> Any:
        return http_json("POST", self.url + path, body)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_application(folder: Path, dsn: str, secrets: Sequence[str], connections: int = 8) -> Peer:
    arguments = ["--database", dsn, "--connections", str(connections)]
    for secret in secrets:
        arguments += ["--webhook-secret", secret]
    return Peer("application", "application.py", arguments, folder)


def start_simulator(folder: Path, dlr_url: str) -> Peer:
    return Peer("provider_simulator", "provider_simulator.py", ["--dlr-url", dlr_url], folder)


def private_folder(name: str) -> Path:
    """A new folder that the account of the server can enter."""
    base = Path(os.environ.get("TMPDIR", "/tmp"))
    for _ in range(100):
        folder = base / f"{name}.{os.getpid()}.{time.monotonic_ns() % 1_000_000:06d}"
        try:
            folder.mkdir(mode=0o755)
        except FileExistsError:
            continue
        folder.chmod(0o755)
        return folder
    sys.exit(f"cannot create a folder in {base}")
