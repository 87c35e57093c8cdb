"""Nodes and clients for the tests in this directory.

Clients are the published ones, with the settings that their users have; only time-outs and retries are short, so that a fault is seen and not papered over.
"""

import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sysconfig
import tempfile
import uuid

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).parents[2]
# tests/run builds the binary and says where it is.
BINARY = os.environ.get("STRONGROOM_BIN", str(ROOT / "target" / "debug" / "strongroom"))
SCRIPTS = pathlib.Path(sysconfig.get_path("scripts"))


class Node:
    """`strongroom test`, which ends with its standard input."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.directory.name, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "test", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "TMPDIR": self.directory.name},
            )
        line = self.process.stdout.readline()
        assert line, f"the node is not ready: {self.log.read_text()}"
        self.ready = json.loads(line)
        self.url = self.ready["s3"]
        self.access_key = self.ready["accessKeyId"]
        self.secret_key = self.ready["secretAccessKey"]
        self.region = self.ready["region"]

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0, self.log.read_text()
        self.directory.cleanup()

    def certificate(self):
        """A file with the node's own certificate, for clients that verify."""
        host, port = self.url.removeprefix("https://").rsplit(":", 1)
        path = pathlib.Path(self.directory.name, "node.pem")
        path.write_text(ssl.get_server_certificate((host, int(port))))
        return str(path)

    def client(self, verify=None, service="s3", **config):
        config = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, **config}
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            verify=verify,
            config=Config(**config),
        )

    def environment(self, **further):
        """What `aws`, rclone and restic read."""
        return {
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "HOME": self.directory.name,
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **further,
        }

    def run(self, *command, code=0, **further):
        """Runs a client to its end and answers what it printed."""
        result = subprocess.run(command, env=self.environment(**further), capture_output=True, timeout=600)
        # Bytes that are no text stay recognisable.
        out, err = (stream.decode(errors="surrogateescape") for stream in (result.stdout, result.stderr))
        assert result.returncode == code, f"{command}: {result.returncode}\n{out}{err}"
        return out


@pytest.fixture(scope="session")
def node():
    node = Node()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def tls_node():
    node = Node("--tls-self-signed")
    yield node
    node.stop()


@pytest.fixture
def bucket(node):
    """A bucket of the test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    node.client().create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A real tree of thousands of files, from empty to half a megabyte: the data of the AWS SDK and the help of aws cli."""
    import awscli
    import botocore

    top = tmp_path_factory.mktemp("tree") / "tree"
    shutil.copytree(pathlib.Path(botocore.__file__).parent / "data", top / "data")
    shutil.copytree(pathlib.Path(awscli.__file__).parent / "examples" / "ec2", top / "examples of ec2")
    odd = top / "odd names"
    odd.mkdir()
    for name in ["a b+c", "ключ", "100%", "a&b=c;d", "'quoted\"", "#", "empty", "{brace}", "tilde~", "🗝"]:
        (odd / name).write_bytes(b"" if name == "empty" else name.encode())
    assert len(files(top)) > 2500
    return top


def files(directory):
    """Relative path and bytes of every file."""
    directory = pathlib.Path(directory)
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
