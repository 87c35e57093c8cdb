"""pyarrow, whose C++ SDK sends CRC64NVME trailers."""

import pytest


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_table_is_written_and_read_back(scheme, node, tls_node):
    import pyarrow
    import pyarrow.dataset
    import pyarrow.fs
    import pyarrow.parquet

    server = node if scheme == "http" else tls_node
    further = {"tls_ca_file_path": tls_node.certificate()} if scheme == "https" else {}
    s3 = pyarrow.fs.S3FileSystem(
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
        scheme=scheme,
        endpoint_override=server.url.removeprefix(f"{scheme}://"),
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
        **further,
    )
    bucket = f"arrow-{scheme}"
    s3.create_dir(bucket)
    table = pyarrow.table({"n": range(1_000_000), "text": [f"row {n % 1000}" for n in range(1_000_000)], "part": [n % 4 for n in range(1_000_000)]})
    pyarrow.parquet.write_table(table, f"{bucket}/table.parquet", filesystem=s3)
    assert pyarrow.parquet.read_table(f"{bucket}/table.parquet", filesystem=s3).equals(table)
    column = pyarrow.parquet.read_table(f"{bucket}/table.parquet", filesystem=s3, columns=["n"], filters=[("n", "<", 10)])
    assert column["n"].to_pylist() == list(range(10))

    pyarrow.dataset.write_dataset(table, f"{bucket}/set", filesystem=s3, format="parquet", partitioning=["part"])
    back = pyarrow.dataset.dataset(f"{bucket}/set", filesystem=s3, partitioning=["part"])
    assert back.count_rows() == 1_000_000
    assert {f.base_name for f in s3.get_file_info(pyarrow.fs.FileSelector(f"{bucket}/set"))} == {"0", "1", "2", "3"}

    # A stream of many megabytes goes up in parts.
    block = bytes(range(256)) * 4096
    with s3.open_output_stream(f"{bucket}/stream") as out:
        for _ in range(24):
            out.write(block)
    with s3.open_input_file(f"{bucket}/stream") as stream:
        assert stream.size() == 24 * len(block)
        # Offsets are a multiple of the block's size and 100 beyond it.
        assert stream.read_at(1000, (5 << 20) + 100) == block[100:1100]
    s3.copy_file(f"{bucket}/stream", f"{bucket}/copy")
    s3.delete_dir(bucket)
    assert s3.get_file_info(bucket).type == pyarrow.fs.FileType.NotFound
