"""The private cluster, the sink and the processes of a benchmark run."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

import psycopg

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port};
        location /messages {{ return 200 '{{"id":"$http_idempotency_key","status":"queued"}}'; }}
        location /webhook {{ return 204; }}
    }}
    server {{
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {dir}/certificate.pem;
        ssl_certificate_key {dir}/key.pem;
        location /messages {{ return 200 '{{"id":"$http_idempotency_key","status":"queued"}}'; }}
    }}
}}
"""


def bindir() -> pathlib.Path:
    config = os.environ.get("PG_CONFIG") or "pg_config"
    return pathlib.Path(subprocess.run([config, "--bindir"], check=True, capture_output=True, text=True).stdout.strip())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 120, pause: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come within {seconds:g} s")
        time.sleep(pause)


class Sink:
    """nginx on loopback as the provider and as the tenant's webhook receiver: it answers at once."""

    def __init__(self, directory: pathlib.Path) -> None:
        directory.mkdir()
        directory.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.certificate = directory / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(directory / "key.pem"),
                        "-out", str(self.certificate)], check=True, capture_output=True)
        self.certificate.chmod(0o644)  # the server reads it
        conf = directory / "nginx.conf"
        conf.write_text(NGINX.format(dir=directory, port=self.port, tls_port=self.tls_port))
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or "nginx"
        self.process = subprocess.Popen([nginx, "-p", str(directory), "-c", str(conf),
                                         "-e", str(directory / "error.log")])
        wait_for("the sink", self._accepts, 10)

    def _accepts(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("the sink ended at its start")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Cluster:
    """A cluster of scripts/server in a folder of its own, removed at the end."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="hc-bench-"))
        self.home.chmod(0o755)
        self.dir = self.home / "server"
        self.sink: Sink | None = None
        self.generator = ROOT / "build" / "bench" / "cascade_bench"
        command = [str(ROOT / "scripts" / "server"), "start", "--dir", str(self.dir)]
        for name, value in settings.items():
            command += ["--conf", f"{name}={value}"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self.port = int((self.dir / "port").read_text())
            self.dsn = f"host={self.dir} port={self.port} user=postgres dbname=hermes"
            self.admin = psycopg.connect(self.dsn, autocommit=True)
            self.postmaster = int((self.dir / "data" / "postmaster.pid").read_text().split()[0])
            self.sink = Sink(self.home / "sink")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.sink is not None:
            self.sink.stop()
        subprocess.run([str(ROOT / "scripts" / "server"), "stop", "--dir", str(self.dir), "--remove"],
                       check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.admin.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        return self.rows(sql, *values)[0][0]

    def run(self, sql: str, *values: Any) -> None:
        self.admin.execute(sql, values)

    def counter(self, name: str) -> int:
        return int(self.value("SELECT value FROM hermes.stats WHERE name = %s", name))

    def set(self, name: str, value: str) -> None:
        self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("SELECT pg_reload_conf()")
        wait_for(name, lambda: self.value("SELECT current_setting(%s)", name) == value, 10, 0.001)

    def set_workers(self, on: bool) -> None:
        self.set("hermes.workers", "on" if on else "off")
        wanted = 2 if on else 0
        wait_for("the workers",
                 lambda: self.value("SELECT count(*) FROM hermes.workers WHERE state = 'running'") == wanted, 60)

    def generate(self, workload: str, **options: Any) -> dict[str, Any]:
        """Runs the load generator; its processor seconds are added to its figures."""
        command = [str(self.generator), workload, "--dsn", self.dsn]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures: dict[str, Any] = json.loads(result.stdout)
        figures["client_cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return figures

    def processor_seconds(self) -> dict[str, float]:
        """By process: dispatcher, supervisor, executors, everything else of the cluster (ended backends too)."""
        roles = {pid: role for role, pid in self.rows("SELECT role, pid FROM hermes.workers")}
        seconds = {"dispatcher": 0.0, "supervisor": 0.0, "executor": 0.0, "rest": 0.0}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            pid = int(stat.parent.name)
            if pid == self.postmaster:
                seconds["rest"] += sum(int(f) for f in fields[11:15]) / TICKS
            elif int(fields[1]) == self.postmaster:
                seconds[roles.get(pid, "rest")] += sum(int(f) for f in fields[11:13]) / TICKS
        return seconds

    def lsn(self) -> str:
        return str(self.value("SELECT pg_current_wal_flush_lsn()"))

    def wal(self, start: str, end: str) -> dict[str, Any]:
        """WAL between two positions by record type: records, bytes without and of full-page images."""
        out = subprocess.run([str(bindir() / "pg_waldump"), "--stats=record", "-p", str(self.dir / "data" / "pg_wal"),
                              "-s", start, "-e", end], check=True, capture_output=True, text=True).stdout
        types: dict[str, tuple[int, int]] = {}
        images = 0
        for line in out.splitlines():
            name, *words = line.split() or [""]
            numbers = [int(word) for word in words if word.isdigit()]
            if "/" in name and len(numbers) == 4:  # records, their bytes, bytes of images, both
                types[name] = (numbers[0], numbers[1])
                images += numbers[2]
        commits = sum(count for name, (count, _) in types.items() if name.startswith("Transaction/COMMIT"))
        return {"bytes": sum(size for _, size in types.values()), "image_bytes": images, "commits": commits,
                "records": sum(count for count, _ in types.values()), "types": types}

    def pgbench(self, name: str, script: str, clients: int, seconds: float) -> dict[str, float]:
        logs = self.home / "pgbench"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        (logs / "script.sql").write_text(script)
        subprocess.run([str(bindir() / "pgbench"), "-n", "-M", "prepared", "-c", str(clients),
                        "-j", str(min(2, clients)), "-T", str(max(1, round(seconds))), "-f", str(logs / "script.sql"), "-l", "--log-prefix",
                        str(logs / "log"), self.dsn], check=True, capture_output=True)
        latencies: list[int] = []
        first, last = float("inf"), 0.0
        for log in logs.glob("log.*"):
            for line in log.read_text().splitlines():
                fields = line.split()
                latencies.append(int(fields[2]))
                at = int(fields[4]) + int(fields[5]) / 1e6
                first, last = min(first, at - latencies[-1] / 1e6), max(last, at)
        if not latencies:
            raise RuntimeError(f"pgbench {name}: no transaction")
        latencies.sort()
        return {"count": len(latencies), "seconds": last - first, "rate": len(latencies) / (last - first),
                "p50_ms": latencies[len(latencies) // 2] / 1000, "p99_ms": latencies[int(len(latencies) * 0.99)] / 1000}
