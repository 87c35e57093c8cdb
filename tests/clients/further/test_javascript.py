"""The AWS SDK for JavaScript: over HTTP with its defaults, virtual hosts below localhost and checksums on."""

import pathlib
import shutil

import pytest
from conftest import ROOT, Node


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_sdk_for_javascript_does_its_main_jobs(scheme, tmp_path):
    node = Node(*(["--tls-self-signed"] if scheme == "https" else []))
    # The SDK is found beside the script.
    shutil.copy(pathlib.Path(__file__).parent / "js" / "main.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / ".lanes" / "js" / "node_modules")
    further = {"NODE_EXTRA_CA_CERTS": node.certificate()} if scheme == "https" else {}
    output = node.run("node", str(tmp_path / "main.mjs"), AWS_ENDPOINT_URL=node.ready["s3Virtual"], **further)
    assert output.splitlines()[-1] == "done", output
    node.stop()
