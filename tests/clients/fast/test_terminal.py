"""The command line on a terminal: what it asks, what it doesn't show, and tables that fit."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from conftest import BINARY, Node


@pytest.fixture
def served():
    node = Node()
    yield node
    node.stop()


def on_terminal(command, typed=(), columns=80):
    """Runs a command on a terminal of its own and types a line at each prompt; answers its exit code and all that the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-c", 'sleep 0.3; exec "$@"', "sh", *command], {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "dumb"})
    # The shell's pause is for this.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown, seen, typed = b"", 0, list(typed)
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:
            # Linux says so when the last of its users is gone.
            break
        shown += read
        if typed and (prompt := re.compile(typed[0][0]).search(shown, seen)):
            seen = prompt.end()
            os.write(terminal, typed.pop(0)[1].encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def strongroom(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_deleting_asks_and_no_is_the_default(served):
    data = ["--data", served.ready["data"]]
    strongroom("permission", "create", "p", "--all-buckets", "--actions", "read-only", *data)
    code, shown = on_terminal([BINARY, "permission", "delete", "p", *data], [(rb"\[y/N\] ", "")])
    assert code == 1 and "nothing was changed" in shown, shown
    assert strongroom("permission", "list", *data) != "none\n"
    code, shown = on_terminal([BINARY, "permission", "delete", "p", *data], [(rb"\[y/N\] ", "y")])
    assert code == 0 and 'deleted permission "p"' in shown, shown
    assert strongroom("permission", "list", *data) == "none\n"


def test_a_password_is_asked_for_twice_and_not_shown(served):
    data = ["--data", served.ready["data"]]
    strongroom("user", "create", "eve", "--role", "auditor", *data)
    code, shown = on_terminal([BINARY, "user", "password", "eve", *data], [(rb"New password of eve: ", "correct horse"), (rb"Again: ", "correct house")])
    assert code == 2 and "the two differ" in shown, shown
    code, shown = on_terminal([BINARY, "user", "password", "eve", *data], [(rb"New password of eve: ", "correct horse"), (rb"Again: ", "correct horse")])
    assert code == 0 and "correct" not in shown, shown
    code, shown = on_terminal([BINARY, "permission", "list", "--endpoint", served.ready["console"], "--user", "eve"], [(rb"Password of eve: ", "correct horse")])
    assert code == 0 and "correct" not in shown and "none" in shown, shown


def test_a_table_is_as_wide_as_the_terminal(served):
    data = ["--data", served.ready["data"]]
    strongroom("permission", "create", "p", "--all-buckets", "--actions", "read-only", "--description", "long " * 40, *data)
    code, shown = on_terminal([BINARY, "permission", "list", *data], columns=60)
    rows = shown.replace("\r", "").splitlines()
    assert code == 0 and all(len(row) <= 60 for row in rows) and "…" in shown, shown
    assert len(max(strongroom("permission", "list", *data).splitlines(), key=len)) > 200, "nobody looks through a terminal here"
