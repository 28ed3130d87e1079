#!/usr/bin/python3
"""The README's tour, the example of the guide to durable functions and the worked examples, run as a newcomer would paste them:
every SQL block in one psql session, every `-->` line expected.

A line `--> text` stands below the statement whose output must contain it. The cells of a row are compared without regard
to padding. A statement whose expectation has not come true yet is run again for a while: a newcomer pastes slower.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from pages import AGENT_ADDRESS, AGENT_SERVICE, EXAMPLES, ROOT, SERVER, Psql, statements_of  # noqa: E402
from peers import free_port  # noqa: E402

DEADLINE_SECONDS = 30


def check(session: Psql, statement: str, expected: list[str]) -> str:
    """Empty when all expectations came true, else what was seen last, quoted: it may be nothing."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        output = session.run(statement)
        if all(text in output for text in expected):
            return ""
        repeatable = statement.lstrip().upper().startswith("SELECT") and " FROM " in statement.upper()
        if not repeatable or time.monotonic() > deadline:
            return repr(output)
        time.sleep(0.05)


def main() -> int:
    statements = statements_of("README.md", "## A ten-minute tour") + statements_of("docs/workflows.md", "## An example")
    for document in sorted(EXAMPLES.glob("*.md")):
        statements += statements_of(str(document.relative_to(ROOT)), "")
    port = free_port()  # of the agent's service, which the page starts at one of its own
    statements = [(statement.replace(AGENT_ADDRESS, f"127.0.0.1:{port}"), expected) for statement, expected in statements]
    service = subprocess.Popen([sys.executable, str(AGENT_SERVICE), str(port)])
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
                    print(f"# expected {expected}, got: {seen}", flush=True)
        finally:
            service.kill()
            subprocess.run([SERVER, "stop", "--dir", cluster, "--remove"], check=False, stdout=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
