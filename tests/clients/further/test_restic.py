"""restic, whose library signs every chunk of an upload."""

from conftest import files


def test_backup_check_restore_and_prune(node, bucket, tree, tmp_path):
    def restic(*arguments):
        settings = {"RESTIC_REPOSITORY": f"s3:{node.url}/{bucket}/repository", "RESTIC_PASSWORD": "a password", "RESTIC_CACHE_DIR": str(tmp_path / "cache")}
        return node.run("restic", *map(str, arguments), **settings)

    restic("init")
    restic("backup", "--quiet", tree)
    (tmp_path / "later").write_text("later")
    restic("backup", "--quiet", tree, tmp_path / "later")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "back")
    assert files(tmp_path / "back" / tree.relative_to("/")) == files(tree)
    assert (tmp_path / "back" / tmp_path.relative_to("/") / "later").read_text() == "later"
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    assert len(restic("snapshots", "--compact", "--no-lock").splitlines()) > 2
