"""rclone: sync, check, and reading from the middle."""

from conftest import files


def remote(node):
    return {
        "RCLONE_CONFIG_NODE_TYPE": "s3",
        "RCLONE_CONFIG_NODE_PROVIDER": "Other",
        "RCLONE_CONFIG_NODE_ENDPOINT": node.url,
        "RCLONE_CONFIG_NODE_ACCESS_KEY_ID": node.access_key,
        "RCLONE_CONFIG_NODE_SECRET_ACCESS_KEY": node.secret_key,
        "RCLONE_CONFIG_NODE_REGION": node.region,
    }


def test_sync_and_check_of_a_tree(node, bucket, tree, tmp_path):
    def rclone(*arguments, **options):
        return node.run("rclone", "--retries=1", "--low-level-retries=1", "--transfers=8", "--checkers=8", *map(str, arguments), **options, **remote(node))

    rclone("sync", tree, f"node:{bucket}/tree")
    rclone("check", tree, f"node:{bucket}/tree")
    rclone("check", "--download", tree / "odd names", f"node:{bucket}/tree/odd names")
    rclone("sync", f"node:{bucket}/tree", tmp_path / "back")
    assert files(tmp_path / "back") == files(tree)
    # A changed and a removed file are seen and carried over.
    changed = tmp_path / "back" / "odd names" / "100%"
    changed.write_text("changed")
    (tmp_path / "back" / "odd names" / "#").unlink()
    rclone("check", tmp_path / "back", f"node:{bucket}/tree", code=1)
    rclone("sync", tmp_path / "back", f"node:{bucket}/tree")
    rclone("check", tmp_path / "back", f"node:{bucket}/tree")
    assert rclone("cat", f"node:{bucket}/tree/odd names/100%") == "changed"


def test_file_over_the_multipart_threshold_by_streaming(node, bucket, tmp_path):
    body = bytes(range(256)) * (40 << 12)
    (tmp_path / "large").write_bytes(body)
    arguments = ["--s3-upload-cutoff=8M", "--s3-chunk-size=5M", "--retries=1"]
    node.run("rclone", "copyto", str(tmp_path / "large"), f"node:{bucket}/large", *arguments, **remote(node))
    node.run("rclone", "copyto", f"node:{bucket}/large", str(tmp_path / "back"), **remote(node))
    assert (tmp_path / "back").read_bytes() == body
    part = node.run("rclone", "cat", "--offset=1000", "--count=100", f"node:{bucket}/large", **remote(node))
    assert part.encode(errors="surrogateescape") == body[1000:1100]
