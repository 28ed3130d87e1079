#!/usr/bin/python3
"""An external worker: polls a queue, squares numbers, leaves its effect and its answer in one transaction. Ends when it
is killed; a server that goes away is waited for.

activity_worker.py DSN QUEUE NAME"""

from __future__ import annotations

import sys
import time

import psycopg
from psycopg.types.json import Jsonb


def work(connection: psycopg.Connection, queue: str, name: str) -> bool:
    tasks = connection.execute("SELECT token, input FROM hermes.poll_tasks(%s, %s, 3, '2 seconds')", (queue, name)).fetchall()
    connection.commit()  # the tasks are this worker's
    for token, number in tasks:
        time.sleep(0.02)
        try:
            connection.execute("INSERT INTO app.effect (run, what) VALUES ('two', %s)", (str(number * number),))
            connection.execute("SELECT hermes.complete_task(%s, %s)", (token, Jsonb(number * number)))
            connection.commit()
        except psycopg.Error as error:
            connection.rollback()
            if error.sqlstate != "WF025":  # another worker has it by now
                raise
    return bool(tasks)


def main(dsn: str, queue: str, name: str) -> None:
    while True:
        try:
            with psycopg.connect(dsn) as connection:
                while True:
                    if not work(connection, queue, name):
                        time.sleep(0.02)
        except psycopg.OperationalError:
            time.sleep(0.1)


main(*sys.argv[1:])
