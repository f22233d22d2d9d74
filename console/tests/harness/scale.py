"""Makes many ended sessions of one that has ended, in the database of a server that does not run.

usage: scale.py DATABASE COUNT: the columns are whatever the schema has, so that nothing here has to follow it.
"""

import datetime
import os
import sqlite3
import sys

path, count = sys.argv[1], int(sys.argv[2])
database = sqlite3.connect(path)
database.execute("PRAGMA foreign_keys = ON")
names = [row[1] for row in database.execute("PRAGMA table_info(sessions)")]
pattern = dict(zip(names, database.execute("SELECT * FROM sessions WHERE status = 'completed' LIMIT 1").fetchone()))
users = [row[0] for row in database.execute("SELECT id FROM users")]
now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)


def row(number):
    moment = now - datetime.timedelta(seconds=30 * (count - number))
    milliseconds = int(moment.timestamp() * 1000)
    # A version 7 UUID: lists are sorted by it.
    random = bytearray(os.urandom(10))
    random[0] = 0x70 | random[0] & 0x0F
    random[2] = 0x80 | random[2] & 0x3F
    text = moment.isoformat()
    changed = {
        "id": milliseconds.to_bytes(6, "big") + bytes(random),
        "user_id": users[number % len(users)],
        "session_name": f"session-{number:05}",
        "created_at": text,
        "updated_at": text,
        "queued_at": text,
        "start_time": text,
        "end_time": text,
    }
    return [changed.get(name, value) for name, value in pattern.items()]


with database:
    marks = ", ".join("?" * len(names))
    database.executemany(f"INSERT INTO sessions VALUES ({marks})", (row(number) for number in range(count)))
