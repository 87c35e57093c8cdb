"""README's walk-through, pasted into a shell as it stands; only the ports are free ones, and the binary is the one under test."""

import json
import os
import pathlib
import re
import socket
import subprocess

from conftest import BINARY, ROOT, SCRIPTS

README = ROOT / "README.md"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def replaced(text, old, new):
    assert old in text, f"README no longer says {old!r}"
    return text.replace(old, new)


def paste(script, tmp_path, port):
    """Runs a walk-through's lines in a shell, as they stand but for the place of the binary and the ports."""
    console = free_port()
    script = replaced(script, "export PATH=$PWD/target/release:$PATH\n", "")
    script = replaced(script, "127.0.0.1:9000", f"127.0.0.1:{port}")
    script = replaced(script, "strongroom serve ", f"strongroom serve --listen 127.0.0.1:{port} --console 127.0.0.1:{console} ")
    script = script.replace("127.0.0.1:9001", f"127.0.0.1:{console}")
    script = replaced(script, "sleep 1", "sleep 3")
    script = f"trap 'kill %1' EXIT\n{script}"
    environment = {"HOME": str(tmp_path), "PATH": f"{pathlib.Path(BINARY).parent}:{SCRIPTS}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "AWS_MAX_ATTEMPTS": "1"}
    return subprocess.run(["bash"], input=script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)


def test_walk_through_works_when_it_is_pasted(tmp_path):
    readme = README.read_text()
    block = re.search(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    explain = re.search(r"^    (strongroom policy explain.*?)\n\n", readme, re.MULTILINE | re.DOTALL)[1]
    result = paste(f"{block}\necho; echo explained:\n{explain}\necho status $?\n", tmp_path, free_port())
    told = f"{result.stdout}\n{result.stderr}"
    pasted, explained = result.stdout.split("explained:\n")
    assert re.search(r"^\d{4}-\d\d-\d\d .* 4 projects/farm-animals/cow.jpg$", pasted, re.MULTILINE), told
    assert "(403)" in result.stderr or "AccessDenied" in result.stderr, told
    assert "<Code>AccessDenied</Code>" in pasted, told
    assert pasted.rstrip().endswith("moo"), told
    assert "RestrictIP" in explained and "aws:SourceIp" in explained, told
    assert re.search(r"^status (0|4)$", explained, re.MULTILINE), told


def test_walk_through_on_the_command_line_works_when_it_is_pasted(tmp_path):
    readme = README.read_text()
    section = readme[readme.index("## A service account for one prefix") :]
    block = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[1]
    result = paste(block, tmp_path, free_port())
    told = f"{result.stdout}\n{result.stderr}"
    refused = re.findall(r"An error occurred \(AccessDenied\)", result.stderr)
    assert len(refused) == 2, told
    explained = result.stdout[result.stdout.index("denied: ") : result.stdout.index("replaced the policy")]
    assert "nearly allowed by statement FromTheFarm" in explained, told
    assert "IpAddress aws:SourceIp 127.0.21.0/24; the request has 127.0.0.1" in explained, told
    mended = result.stdout[result.stdout.index("replaced the policy") :]
    assert "upload: ./cow.jpg to s3://datalake/farm/cow.jpg" in mended, told
    assert "other/cow.jpg" not in mended, told
    history = mended[mended.index("version 2") :]
    assert re.search(r"^  \+.*127\.0\.0\.1", history, re.MULTILINE), told
    key = (tmp_path / "camera-walk-through" / "camera.key").read_text()
    assert '"accessKey"' in key and "secret" not in key, key
    assert (tmp_path / "camera-walk-through" / "camera.secret").stat().st_mode & 0o777 == 0o600


def documents(text):
    """The JSON documents in what a shell printed, each from the start of a line; a policy in one keeps its own lines."""
    found, end = [], 0
    for start in re.finditer(r'(?:^|\r)(?=\{"|\[\{)', text, re.MULTILINE):
        if start.end() >= end:
            document, end = json.JSONDecoder().raw_decode(text, start.end())
            found.append(document)
    return found


def test_walk_through_with_curl_works_when_it_is_pasted(tmp_path):
    readme = README.read_text()
    section = readme[readme.index("## The same with curl") :]
    block = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[1]
    result = paste(block, tmp_path, free_port())
    told = f"{result.stdout}\n{result.stderr}"
    assert len(re.findall(r"An error occurred \(AccessDenied\)", result.stderr)) == 2, told
    ready, bucket, permission, denials, simulated, mended = documents(result.stdout)
    assert ready["event"] == "ready" and bucket["name"] == "datalake" and permission["name"] == "barn", told
    assert [(denial["eventName"], denial["sourceIPAddress"], denial["errorCode"]) for denial in denials] == [("PutObject", "127.0.0.1", "AccessDenied")], told
    nearly = simulated["explanation"]["nearly"]
    assert not simulated["allowed"] and [statement["sid"] for statement in nearly] == ["FromTheBarn"], told
    assert nearly[0]["conditions"][0]["wanted"]["shown"] == ["127.0.21.0/24"], told
    assert mended["revision"] == 2, told
    assert "upload: ./cow.jpg to s3://datalake/barn/cow.jpg" in result.stdout, told
    assert "other/cow.jpg" not in result.stdout.replace("to s3://datalake/other", ""), told
    assert (tmp_path / "curl-walk-through" / "barn.key").stat().st_mode & 0o777 == 0o600
