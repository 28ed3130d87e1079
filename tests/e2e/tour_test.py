#!/usr/bin/python3
"""The README's tour, the example of the guide to durable functions and the worked examples, run as a newcomer would paste them:
every SQL block in one psql session, every `-->` line expected.

A line `--> text` stands below the statement whose output must contain it. The cells of a row are compared without regard
to padding. A statement whose expectation has not come true yet is run again for a while: a newcomer pastes slower.
"""
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "demo"))

from peers import free_port  # noqa: E402

SERVER = str(ROOT / "scripts" / "server")
DEADLINE_SECONDS = 30


def statements_of(document: str, section: str) -> list[tuple[str, list[str]]]:
    """(statement, expectations) of the SQL blocks of a section, in order."""
    text = (ROOT / document).read_text()
    tour = text.split(section, 1)[1].split("\n## ", 1)[0] if section else text
    statements: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```sql\n(.*?)```", tour, re.S):
        pending = ""
        for line in block.splitlines():
            if line.startswith("--> "):
                statements[-1][1].append(line[4:])
                continue
            pending += line + "\n"
            in_body = pending.count("$$") % 2 == 1
            if not in_body and (line.rstrip().endswith(";") or line.rstrip().endswith("\\gset")):
                statements.append((pending, []))
                pending = ""
    return statements


class Psql:
    """One psql session driven through pipes."""

    def __init__(self, folder: str) -> None:
        self.process = subprocess.Popen(
            [SERVER, "psql", "--dir", folder, "--", "-X", "-A", "-t", "-F", " | ", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, statement: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(statement + "\\echo :end:\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.strip() == ":end:":
                return "".join(lines)
            lines.append(line)
        raise RuntimeError("psql ended: " + "".join(lines))


def check(session: Psql, statement: str, expected: list[str]) -> str:
    """Empty when all expectations came true, else what was seen last."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        output = session.run(statement)
        if all(text in output for text in expected):
            return ""
        repeatable = statement.lstrip().upper().startswith("SELECT") and " FROM " in statement.upper()
        if not repeatable or time.monotonic() > deadline:
            return output
        time.sleep(0.05)


def main() -> int:
    statements = statements_of("README.md", "## A ten-minute tour") + statements_of("docs/workflows.md", "## An example")
    for document in sorted((ROOT / "docs" / "examples").glob("*.md")):
        statements += statements_of(str(document.relative_to(ROOT)), "")
    port = free_port()  # of the agent's service, which the page starts at one of its own
    statements = [(statement.replace("127.0.0.1:8099", f"127.0.0.1:{port}"), expected) for statement, expected in statements]
    service = subprocess.Popen([sys.executable, str(ROOT / "docs" / "examples" / "agent_service.py"), str(port)])
    print(f"1..{len(statements)}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="hermes-tour-") as folder:
        cluster = folder + "/cluster"
        Path(folder).chmod(0o755)
        subprocess.run([SERVER, "start", "--dir", cluster], check=True, stdout=sys.stderr)
        try:
            session = Psql(cluster)
            for number, (statement, expected) in enumerate(statements, 1):
                seen = check(session, statement, expected)
                first = " ".join(statement.split())[:70]
                print(f"{'not ok' if seen else 'ok'} {number} - {first}", flush=True)
                if seen:
                    failed += 1
                    print(f"# expected {expected}, got: {seen!r}", flush=True)
        finally:
            service.kill()
            subprocess.run([SERVER, "stop", "--dir", cluster, "--remove"], check=False, stdout=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
