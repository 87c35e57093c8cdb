"""schemathesis: thousands of calls made up from the API's own description, each answer held against it."""

import json
import os
import subprocess
import sysconfig
import urllib.request

# Whether what the schema allows is always accepted is left out: names that must exist can't be told by a schema.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,ignored_auth"
)

# S3 answers 501 to what it knows and this node hasn't, also where its handlers stand behind the admin API.
OBJECTS = """
[[operations]]
include-path-regex = "/objects"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501]
"""


def sign_in(node):
    body = json.dumps({"accessKey": node.access_key, "secret": node.secret_key}).encode()
    request = urllib.request.Request(
        f"{node.ready['console']}/api/v1/auth/token", data=body, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["token"]


def run(node, tmp_path, *arguments):
    (tmp_path / "schemathesis.toml").write_text(OBJECTS)
    tool = os.path.join(sysconfig.get_path("scripts"), "st")
    ran = subprocess.run(
        [
            *(tool, "run", f"{node.ready['console']}/api/v1/openapi.json"),
            *("--checks", CHECKS, "--max-examples", "25", "--seed", "1", "--workers", "1", "--no-color"),
            *arguments,
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_every_call_answers_as_it_is_described(node, tmp_path):
    # Signing out would end the token by which everything else is called; below is what concerns it.
    run(
        node, tmp_path, "--header", f"Authorization: Bearer {sign_in(node)}", "--exclude-path-regex", "^/auth/(token|session)$"
    )


def test_signing_in_and_out_answers_as_it_is_described(node, tmp_path):
    run(node, tmp_path, "--include-path-regex", "^/auth/")
