"""What a server does while a workload runs: what it waits for and where its processors are (bench/run --perf), and how vacuum
keeps up with what dies."""

from __future__ import annotations

import collections
import pathlib
import shutil
import subprocess
import threading
from typing import Any

import psycopg

SAMPLE = """SELECT backend_type,
       CASE WHEN state = 'idle' OR wait_event_type IN ('Client', 'Activity', 'Extension') THEN 'idle: ' || coalesce(wait_event, '')
            ELSE coalesce(wait_event_type || ':' || wait_event, 'running') END, count(*)
FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL GROUP BY 1, 2"""


class Profile:
    """Samples wait events each 20 ms, and with perf, where it is installed, the processes given and their later children."""

    def __init__(self, dsn: str, folder: pathlib.Path, name: str, pids: list[int]) -> None:
        self._dsn = dsn
        self._file = folder / f"{name}.perf"
        self._report = folder / f"{name}.perf.txt"
        self._pids = pids
        self._stop = threading.Event()
        self._waits: collections.Counter[tuple[str, str]] = collections.Counter()
        self._thread = threading.Thread(target=self._sample)
        self._recorder: subprocess.Popen[bytes] | None = None

    def _sample(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            while not self._stop.wait(0.02):
                for backend, wait, count in conn.execute(SAMPLE):
                    self._waits[(backend, wait)] += count

    def __enter__(self) -> Profile:
        self._thread.start()
        if shutil.which("perf") is not None:
            self._recorder = subprocess.Popen(["perf", "record", "-g", "-F", "999", "-o", str(self._file), "-p",
                                               ",".join(map(str, self._pids))],
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()
        if self._recorder is None:
            return
        self._recorder.terminate()
        self._recorder.wait()
        with self._report.open("w") as report:
            for sort in ("pid", "dso", "dso,sym"):
                subprocess.run(["perf", "report", "-i", str(self._file), "--no-children", "-g", "none", "--stdio",
                                "--percent-limit", "0.3", "--sort", sort], stdout=report, stderr=subprocess.DEVNULL, check=False)

    def waits(self) -> list[tuple[str, str, int]]:
        return [(backend, wait, count) for (backend, wait), count in self._waits.most_common(25)]


TABLES = """SELECT coalesce(pg_partition_root(relid), relid)::regclass::text, sum(n_live_tup), sum(n_dead_tup), sum(autovacuum_count),
       sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
FROM pg_stat_user_tables WHERE schemaname = 'hermes' GROUP BY 1"""


class Vacuums:
    """Samples each table's dead rows and size, partitions together: the most of each, and how often autovacuum came."""

    def __init__(self, dsn: str, pause: float = 5) -> None:
        self._dsn = dsn
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._before: dict[str, int] = {}
        self._tables: dict[str, dict[str, int]] = {}

    def _sample(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            self._look(conn)
            while not self._stop.wait(self._pause):
                self._look(conn)
            self._look(conn)

    def _look(self, conn: psycopg.Connection[Any]) -> None:
        for name, live, dead, vacuums, table, indexes in conn.execute(TABLES):
            before = self._before.setdefault(name, int(vacuums))
            row = self._tables.setdefault(name, {"dead_most": 0, "table_most": 0, "indexes_most": 0})
            row.update(live=int(live), dead=int(dead), vacuums=int(vacuums) - before, table=int(table), indexes=int(indexes))
            for word in ("dead", "table", "indexes"):
                row[f"{word}_most"] = max(row[f"{word}_most"], row[word])

    def __enter__(self) -> Vacuums:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def tables(self) -> list[dict[str, Any]]:
        """Those in which anything died, most first."""
        rows = [{"table_name": name, **row} for name, row in self._tables.items() if row["dead_most"] or row["vacuums"]]
        return sorted(rows, key=lambda row: -row["dead_most"])
