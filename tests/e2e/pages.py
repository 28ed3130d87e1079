"""Pages of the documentation as a newcomer would paste them: their SQL blocks, and one psql session to paste them into."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = str(ROOT / "scripts" / "server")
EXAMPLES = ROOT / "docs" / "examples"
AGENT_SERVICE = EXAMPLES / "agent_service.py"
AGENT_ADDRESS = "127.0.0.1:8099"  # where the page of the agent starts its service


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


def definitions_of(document: str) -> list[str]:
    """What a page does before it starts its first execution: the database, its tables, its functions."""
    found: list[str] = []
    for statement, _ in statements_of(document, ""):
        if "hermes.start_workflow(" in statement:
            return found
        found.append(statement)
    raise ValueError(f"{document} starts nothing")


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

    def close(self) -> None:
        self.process.communicate()
