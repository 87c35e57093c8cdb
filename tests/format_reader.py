#!/usr/bin/env python3
"""A reader of a stopped node's data directory, written from engine/FORMAT.md alone.

It shows that the document is complete: no code of the engine was looked at. Prints each live version as a line of JSON; verifies every checksum on the
way and prints what doesn't hold on standard error. Exit code 0: all is whole; 1: something is damaged; what could be read is printed all the same.

    format_reader.py DIRECTORY
"""

import hashlib
import json
import os
import struct
import sys
from collections import defaultdict
from zlib import crc32

from blake3 import blake3

BLOCK = 65536
PUT, MANIFEST, MARKER, DELETE, PART, UPLOAD, ABORT, BUCKET, CONFIG, FREED = range(1, 11)


class Reader:
    def __init__(self, directory):
        self.directory, self.damage = directory, []
        with open(f"{directory}/FORMAT", "rb") as file:
            content = file.read(16384).ljust(16384, b"\0")
        copies = [content[at : at + 60] for at in (0, 4096)]
        whole = [copy for copy in copies if copy[:8] == b"STRONGRM" and crc32(copy[:56]) == word(copy, 56)]
        if len(whole) < 2:
            self.damage.append(f"FORMAT: {2 - len(whole)} of 2 copies are damaged")
        if not whole:
            raise SystemExit("FORMAT: no copy is intact")
        version, self.uuid, incompatible = word(whole[0], 8), whole[0][16:32], long(whole[0], 48)
        if version != 1 or incompatible:
            raise SystemExit(f"FORMAT: version {version}, incompatible features {incompatible:#x}")
        notes = [content[at : at + 20] for at in (8192, 12288)]
        self.newest = max([long(n, 8) for n in notes if n[:8] == b"SRNEWEST" and crc32(n[:16], self.seed(0)) == word(n, 16)], default=0)

    def seed(self, number):
        return crc32(struct.pack("<Q", long(self.uuid, 0) ^ number) + self.uuid[8:])

    def check(self, holds, what):
        if not holds:
            self.damage.append(what)
        return holds

    def records(self):
        """Every record of the segments that count, in the order of the log."""
        segments = {}
        for name in sorted(os.listdir(f"{self.directory}/log")):
            if name.endswith(".seg"):
                with open(f"{self.directory}/log/{name}", "rb") as file:
                    content = file.read()
                head = content[:128]
                whole = head[:8] == b"SRSEGMNT" and crc32(head[:124]) == word(head, 124) and head[16:32] == self.uuid
                if self.check(whole and long(head, 32) == int(name[:16], 16), f"{name}: bad header"):
                    segments[int(name[:16], 16)] = content
        # How far each is sealed is in its successor, or in the list of freed segments where that is gone.
        last, read, freed = max(segments, default=0), {}, []
        for number, content in segments.items():
            follower = segments.get(number + 1)
            seal = struct.unpack_from("<3Q", follower, 56) if follower else None
            self.check(not seal or seal[0] == number, f"segment {number}: sealed as {seal and seal[0]}")
            read[number] = self.segment(number, content, seal[1] if seal else None)
            freed += [(record["seq"], record["meta"]) for record in read[number][0] if record["kind"] == FREED]
        ranges = [struct.unpack_from("<5Q", max(freed)[1], at) for at in range(0, len(max(freed)[1]), 40)] if freed else []
        for number in range(1, max(last, self.newest) + 1):
            gone = any(first <= number <= final for first, final, *_ in ranges)
            if gone or not self.check(number in segments, f"segment {number} is missing"):
                continue
            records, end, sealed = read[number]
            before = [r[4] for r in ranges if r[0] == number + 1]
            if sealed is None and before:
                records, end, sealed = self.segment(number, segments[number], before[0])
            first = long(segments[number], 48)
            self.check([r["seq"] for r in records] == list(range(first, first + len(records))), f"segment {number}: seq has gaps")
            if sealed is not None:
                follower = segments.get(number + 1)
                last_seq = long(follower, 72) if follower else [r[2] - 1 for r in ranges if r[0] == number + 1][0]
                self.check(end == sealed, f"segment {number}, offset {end}: bad record")
                self.check(first + len(records) - 1 == last_seq, f"segment {number}: ends with another record than its seal says")
                self.footer(number, segments[number][sealed:], records, first)
            else:
                # A torn tail, unless something beyond it says that the place was synced; a footer is of a segment that was sealed.
                content = segments[number]
                self.check(content[end : end + 8] != b"SRFOOTER", f"segment {number}: its successor is missing")
                for at in range(end + 8, len(content) - 63, 8):
                    later = content[at : at + 4] == b"SRec" and self.front(number, content, at, len(content))
                    self.check(not later or long(content, at + 32) <= end, f"segment {number}, offset {end}: bad record before the tail")
            yield from records

    def segment(self, number, content, sealed):
        """The records of a segment up to its sealed length, or to the first that can't be read; and where that is."""
        records, at, end = [], 128, len(content) if sealed is None else min(sealed, len(content))
        while at < end:
            record = self.front(number, content, at, end)
            if not record:
                break
            blocks = [record["data"][i : i + BLOCK] for i in range(0, len(record["data"]), BLOCK)]
            if [crc32(block, self.seed(number)) for block in blocks] != record["sums"]:
                break
            records.append(record)
            at = min(at + -(-record["length"] // 8) * 8, end) if sealed is None else at + -(-record["length"] // 8) * 8
        return records, at, sealed

    def front(self, number, content, at, end):
        """The record at an offset, its front verified."""
        if content[at : at + 4] != b"SRec" or at + 64 > end:
            return None
        kind, flags, key_length, length, crc = struct.unpack_from("<BBHII", content, at + 4)
        seq, orig, _, bucket, meta_length, data_length = struct.unpack_from("<QQQQII", content, at + 16)
        blocks = -(-data_length // BLOCK)
        meta_at = at + 64 + key_length
        sums_at = meta_at + meta_length
        data_at = sums_at + 4 * blocks
        front = content[at:data_at]
        if data_at + data_length != at + length or at + length > end or crc32(front[:12] + front[16:], self.seed(number)) != crc:
            return None
        key, meta, data = content[at + 64 : meta_at], content[meta_at:sums_at], content[data_at : at + length]
        sums = list(struct.unpack_from(f"<{blocks}I", content, sums_at))
        return dict(kind=kind, flags=flags, length=length, seq=seq, orig=orig, bucket=bucket, key=key, meta=meta, data=data, sums=sums, at=at)

    def footer(self, number, footer, records, first):
        # Without one there may be records here that a crash left and that stand in a later segment.
        if footer[:8] != b"SRFOOTER":
            return
        length = long(footer, 24)
        if not self.check(length <= len(footer) and crc32(footer[: length - 4], self.seed(number)) == word(footer, length - 4), f"segment {number}: bad footer"):
            return
        entries, at = [], 32
        for _ in range(word(footer, 12)):
            offset, size, kind, flags, key_length, meta, kept, orig, bucket = struct.unpack_from("<IIBBHIIQQ", footer, at)
            entries.append((offset, size, kind, flags, meta, orig, bucket, footer[at + 36 : at + 36 + key_length]))
            at += 36 + key_length + (kept if kept != 2**32 - 1 else 0)
        told = [(r["at"], r["length"], r["kind"], r["flags"], len(r["meta"]), r["orig"], r["bucket"], r["key"]) for r in records]
        self.check(entries == told and long(footer, 16) == first, f"segment {number}: its footer tells of other records")

    def bulk(self, number, length, digest, hasher):
        """Verifies a bulk segment against what its record says."""
        path = f"bulk/{number & 255:02x}/{number:016x}"
        try:
            with open(f"{self.directory}/{path}", "rb") as file:
                content = file.read()
        except OSError as error:
            return self.check(False, f"{path}: {error.strerror}")
        body, trailer, blocks = content[:length], content[length:], -(-length // BLOCK)
        hasher.update(body)
        whole = len(trailer) == 52 + 4 * blocks and blake3(trailer).digest() == digest and trailer[:8] == b"SRBULKTR"
        whole = whole and (word(trailer, 12), trailer[16:32], long(trailer, 32), long(trailer, 40)) == (blocks, self.uuid, number, length)
        whole = whole and crc32(trailer[:-4], self.seed(number)) == word(trailer, len(trailer) - 4)
        sums = [crc32(body[at : at + BLOCK], self.seed(number)) for at in range(0, length, BLOCK)]
        return self.check(whole and sums == list(struct.unpack_from(f"<{blocks}I", trailer, 48)), f"{path}: damaged")

    def live(self):
        """What the log comes to: each live version, by bucket, key and version."""
        history, buckets, uploads, parts = defaultdict(dict), {}, {}, {}
        for record in self.records():
            kind, orig, meta = record["kind"], record["orig"], record["meta"]
            if kind in (PUT, MANIFEST, MARKER, DELETE):
                history[record["bucket"], record["key"]][orig] = record
            elif kind == BUCKET and buckets.get(record["key"], (0,))[0] <= orig:
                buckets[record["key"]] = (orig, (long(meta, 1) or orig) if meta[0] else None)
            elif kind == PART:
                upload, part = long(meta, 0), meta[8:]
                if parts.get((upload, word(part, 0) & 0xFFFF), (0,))[0] <= orig:
                    parts[upload, word(part, 0) & 0xFFFF] = (orig, part)
            elif kind in (UPLOAD, ABORT):
                number = orig if kind == UPLOAD else long(meta, 0)
                uploads[number] = uploads.get(number, True) and kind == UPLOAD
            if kind == MANIFEST:
                uploads.update((long(value, 0), False) for tag, value in fields(meta, 44) if tag == 7)
        for (upload, _), (_, part) in parts.items():
            if uploads.get(upload):
                self.bulk(*struct.unpack_from("<QQ32s", part, 26), hashlib.md5())
        names = {number: name.decode() for name, (_, number) in buckets.items() if number}
        for (bucket, key), records in sorted(history.items()):
            versions, null = {}, None
            for orig, record in sorted(records.items()):
                if record["kind"] == DELETE:
                    number = long(record["meta"], 1) if record["meta"][0] else null
                    versions.pop(number, None)
                    null = None if number == null else null
                    continue
                number = long(record["meta"], 36) or orig
                if struct.unpack_from("<H", record["meta"], 34)[0] & 1:
                    if null != number:
                        versions.pop(null, None)
                    null = number
                elif null == number:
                    null = None
                versions[number] = record
            for number in sorted(versions, reverse=True) if bucket in names else []:
                yield self.version(names[bucket], key.decode(), number, null, versions[number], number == max(versions))

    def version(self, bucket, key, number, null, record, latest):
        meta = record["meta"]
        date, size, md5, parts, flags = struct.unpack_from("<QQ16sHH", meta, 0)
        hasher, total = hashlib.md5(record["data"]), len(record["data"])
        for value in [value for tag, value in fields(meta, 44) if tag == 8] if record["kind"] == MANIFEST else []:
            named = struct.unpack_from("<QQ32s", value, 26)
            total += named[1]
            self.bulk(*named, hasher)
        if record["kind"] != MARKER:
            self.check(total == size and (parts or hasher.digest() == md5), f"{bucket}/{key}: not the content that was stored")
        return dict(bucket=bucket, key=key, version=None if number == null else number, latest=latest, marker=bool(flags & 2),
                    size=size, md5=md5.hex() + (f"-{parts}" if parts else ""), date=date)  # fmt: skip


def word(content, at):
    return int.from_bytes(content[at : at + 4], "little")


def long(content, at):
    return int.from_bytes(content[at : at + 8], "little")


def fields(content, at):
    while at < len(content):
        tag, length = struct.unpack_from("<HI", content, at)
        yield tag, content[at + 6 : at + 6 + length]
        at += 6 + length


if __name__ == "__main__":
    reader = Reader(sys.argv[1])
    for version in reader.live():
        print(json.dumps(version))
    for line in reader.damage:
        print(line, file=sys.stderr)
    sys.exit(1 if reader.damage else 0)
