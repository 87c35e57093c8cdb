"""The Debian package: what is in it, and that what it installs runs.

`tests/run package` builds it and says where it is. As root it is installed into a directory by dpkg itself, maintainer scripts and all.
"""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

PACKAGE = os.environ["STRONGROOM_DEB"]


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    directory = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", PACKAGE, directory)
    return directory


def test_contents_are_those_of_a_service_with_its_documents():
    lines = [line.split() for line in run("dpkg-deb", "-c", PACKAGE).splitlines()]
    modes = {line[5].removeprefix("."): line[0] for line in lines}
    for path, mode in [
        ("/usr/bin/strongroom", "-rwxr-xr-x"),
        ("/etc/strongroom/strongroom.toml", "-rw-r--r--"),
        ("/usr/lib/systemd/system/strongroom.service", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/examples/strongroom.socket", "-rw-r--r--"),
        ("/usr/share/man/man1/strongroom-audit-search.1.gz", "-rw-r--r--"),
        ("/usr/share/man/man1/strongroom.1.gz", "-rw-r--r--"),
        ("/usr/share/man/man1/strongroom-permission-create.1.gz", "-rw-r--r--"),
        ("/usr/share/bash-completion/completions/strongroom", "-rw-r--r--"),
        ("/usr/share/zsh/vendor-completions/_strongroom", "-rw-r--r--"),
        ("/usr/share/fish/vendor_completions.d/strongroom.fish", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/copyright", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/README.md", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/engine/FORMAT.md", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/policy/LANGUAGE.md", "-rw-r--r--"),
        ("/usr/share/doc/strongroom/server/API.md", "-rw-r--r--"),
    ]:
        assert modes.get(path) == mode, (path, modes.get(path))
    assert all(line[1] == "0/0" for line in lines), "all of it belongs to root"


def anchor(heading):
    """As renderers of Markdown make it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_what_a_document_refers_to_is_in_the_package(unpacked):
    documents = unpacked / "usr/share/doc/strongroom"
    shipped = sorted(documents.rglob("*.md"))
    assert len(shipped) > 1, shipped
    followed = 0
    for document in shipped:
        # Examples hold what looks like links: policies, lines of a shell.
        text = re.sub(r"^```.*?^```|^    .*?$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
        named = re.findall(r"`([\w./-]+\.md)`", text)
        for link in re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(r"^\[[^]]+\]:\s*(\S+)", text, re.MULTILINE) + named:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, heading = link.partition("#")
            # Code names documents from the root of the repository, links from where they stand.
            target = (documents if link in named else document.parent) / path if path else document
            assert target.is_file(), f"{document.relative_to(documents)} refers to {link}"
            assert documents.resolve() in target.resolve().parents, f"{link} leads out of the package"
            if heading:
                headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                assert heading in map(anchor, headings), f"{document.relative_to(documents)} refers to {link}"
            followed += 1
    assert followed >= 3, "README refers to the documents of the crates"


def test_control_says_what_it_needs_and_what_may_be_edited(tmp_path):
    fields = run("dpkg-deb", "-f", PACKAGE)
    assert re.search(r"^Package: strongroom$", fields, re.MULTILINE), fields
    assert re.search(r"^Depends: .*libc6 .*passwd", fields, re.MULTILINE), fields
    run("dpkg-deb", "-e", PACKAGE, tmp_path)
    assert (tmp_path / "conffiles").read_text().split() == ["/etc/strongroom/strongroom.toml"]
    for script in ["postinst", "prerm", "postrm"]:
        run("sh", "-n", tmp_path / script)
    assert "useradd" in (tmp_path / "postinst").read_text()
    assert "strongroom.socket" not in (tmp_path / "postinst").read_text(), "an installation enables the service, not the socket"
    assert "deb-systemd-helper enable strongroom.service" not in (tmp_path / "prerm").read_text()


def test_documents_are_those_of_the_binary(unpacked):
    binary = unpacked / "usr/bin/strongroom"
    for shell, path in [("bash", "bash-completion/completions/strongroom"), ("zsh", "zsh/vendor-completions/_strongroom"), ("fish", "fish/vendor_completions.d/strongroom.fish")]:
        assert (unpacked / "usr/share" / path).read_text() == run(binary, "completions", shell)
    pages = unpacked / "usr/share/man/man1"
    assert gzip.decompress((pages / "strongroom.1.gz").read_bytes()).decode() == run(binary, "man")
    assert r"\-\-durability" in gzip.decompress((pages / "strongroom-serve.1.gz").read_bytes()).decode()


def started(binary, *arguments, **options):
    node = subprocess.Popen(
        [str(binary), "serve", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    line = node.stdout.readline()
    assert line, node.stderr.read()
    return node, json.loads(line)


def test_unpacked_binary_takes_the_packaged_settings_and_runs(unpacked, tmp_path):
    binary, settings = unpacked / "usr/bin/strongroom", unpacked / "etc/strongroom/strongroom.toml"
    shown = run(binary, "config", "show", "--config", settings)
    assert re.search(r"^data +/var/lib/strongroom ", shown, re.MULTILINE), shown
    node, ready = started(binary, "--config", settings, "--data", tmp_path / "data")
    assert ready["event"] == "ready"
    assert run(binary, "bucket", "list", "--data", tmp_path / "data") == "none\n"
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=60) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install a package")
def test_dpkg_installs_it_makes_the_user_and_keeps_edits(tmp_path):
    root = tmp_path / "root"
    for directory in ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"]:
        (root / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    for name in ["passwd", "group", "shadow", "gshadow", "login.defs"]:
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    for name in ["passwd", "group", "shadow", "gshadow"]:
        lines = (root / "etc" / name).read_text().splitlines()
        (root / "etc" / name).write_text("".join(f"{line}\n" for line in lines if not line.startswith("strongroom:")))
    dpkg = ["dpkg", f"--root={root}", "--force-script-chrootless", "--force-depends", "--force-not-root"]
    run(*dpkg, "-i", PACKAGE)
    assert "Status: install ok installed" in run("dpkg", f"--root={root}", "-s", "strongroom")
    user = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("strongroom:")).split(":")
    assert user[5:] == ["/var/lib/strongroom", "/usr/sbin/nologin"], user
    settings = root / "etc/strongroom/strongroom.toml"
    settings.write_text(settings.read_text().replace('#region = "us-east-1"', 'region = "eu-central-1"'))
    # Again, as an upgrade does: the user is there, the edited file stays.
    run(*dpkg, "--force-confold", "-i", PACKAGE)
    assert 'region = "eu-central-1"' in settings.read_text()
    # As the service runs it: by that user, in a directory that it alone may enter.
    data = root / "var/lib/strongroom"
    data.mkdir(mode=0o700)
    os.chown(data, int(user[2]), int(user[3]))
    for part in [tmp_path, *tmp_path.parents]:
        if part.stat().st_mode & 0o001 == 0:
            part.chmod(part.stat().st_mode | 0o011)
    node, ready = started(root / "usr/bin/strongroom", "--config", settings, "--data", data, user=int(user[2]), group=int(user[3]), extra_groups=[])
    assert run(root / "usr/bin/strongroom", "bucket", "list", "--data", data) == "none\n", "root administers the node of another user"
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=60) == 0
    run(*dpkg, "--purge", "strongroom")
    assert (data / "FORMAT").exists(), "a purge deletes no objects"
