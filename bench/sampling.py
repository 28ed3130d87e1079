"""What the server waits for and where its processors are while a workload runs (bench/run --perf)."""

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
