//! Seeded bugs: mistakes that an engine like this one has made before, behind a switch that only tests have.
//!
//! A suite that does not notice one of them is not finished. Outside tests the switch is the constant `false`.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The committer acknowledges before the sync.
    AcknowledgeBeforeSync,
    /// A failed sync of the log is taken for success.
    IgnoreFailedSync,
    /// After a failed sync the next group is tried as if nothing had happened.
    NoPoison,
    /// A refused group is cut off, but not durably.
    CutWithoutSync,
    /// A refused group is not cut off.
    NoCut,
    /// A new segment's name is not synced.
    NoSyncOfSegmentName,
    /// A new segment is named before its header is synced.
    NameBeforeHeader,
    /// The directory entry of a bulk segment is not synced.
    NoSyncOfBulkName,
    /// A bulk segment is named before it is synced.
    NoSyncOfBulk,
    /// Records beyond the last proven one are taken as they are.
    TrustTail,
    /// What is written over itself for want of space is not synced.
    NoSyncInPlace,
    /// A torn segment is appended to.
    AppendToTorn,
    /// The checksums of records are not seeded.
    Unseeded,
    /// Damage is taken for the end of the log.
    RotIsATornTail,
    /// What lost records may have outdone is answered as if nothing were lost.
    NoDoubt,
    /// The data of a record is not compared with its checksums.
    SkipDataChecksum,
    /// The blocks of a bulk segment are not compared with their checksums.
    SkipBlockChecksum,
    /// The index's mark runs ahead of its rows.
    MarkAhead,
    /// Segments are unlinked before the record that frees them.
    UnlinkBeforeFreed,
    /// Tombstones are left behind whatever lies elsewhere.
    DropTombstones,
    /// A dead manifest's end of its upload is left behind.
    DropUploadEnd,
    /// A relocated record takes a new `orig_seq`.
    RenumberCopies,
    /// A segment that was freed but is still there counts at a rebuild.
    ReviveFreed,
    /// Of several copies a rebuild takes the first.
    FirstCopyWins,
    /// A rebuild ignores that a put replaces the null version.
    NullsPileUp,
    /// A rebuild takes no notice of the put whose attributes were replaced later.
    ForgetReplacedPut,
    /// Parts outlive their upload at a rebuild.
    KeepOrphanedParts,
    /// A missing segment is passed over.
    IgnoreGaps,
    /// Bulk segments are unlinked when they are released, also when something still refers to them.
    UnlinkReferred,
    /// Counts of segments are not kept when something dies.
    ForgetDead,
    /// A record that cannot be read is left behind by compaction.
    DropUnreadable,
    /// The committer goes to sleep without another look at the queue; only threads notice, so it is not among `ALL`.
    SleepUnlooked,
    /// Who waits for an outcome says so without another look at it; likewise.
    RegisterLate,
}

#[cfg(test)]
impl Bug {
    /// All of them, but for those that take threads.
    pub(crate) const ALL: [Bug; 31] = [
        Bug::AcknowledgeBeforeSync,
        Bug::IgnoreFailedSync,
        Bug::NoPoison,
        Bug::CutWithoutSync,
        Bug::NoCut,
        Bug::NoSyncOfSegmentName,
        Bug::NameBeforeHeader,
        Bug::NoSyncOfBulkName,
        Bug::NoSyncOfBulk,
        Bug::TrustTail,
        Bug::NoSyncInPlace,
        Bug::AppendToTorn,
        Bug::Unseeded,
        Bug::RotIsATornTail,
        Bug::NoDoubt,
        Bug::SkipDataChecksum,
        Bug::SkipBlockChecksum,
        Bug::MarkAhead,
        Bug::UnlinkBeforeFreed,
        Bug::DropTombstones,
        Bug::DropUploadEnd,
        Bug::RenumberCopies,
        Bug::ReviveFreed,
        Bug::FirstCopyWins,
        Bug::NullsPileUp,
        Bug::ForgetReplacedPut,
        Bug::KeepOrphanedParts,
        Bug::IgnoreGaps,
        Bug::UnlinkReferred,
        Bug::ForgetDead,
        Bug::DropUnreadable,
    ];
}

#[cfg(test)]
thread_local! {
    static SEEDED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether a mistake is to be made here.
#[cfg(test)]
pub(crate) fn seeded(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

#[cfg(not(test))]
pub(crate) const fn seeded(_bug: Bug) -> bool {
    false
}

/// Makes a mistake on this thread from now on, or none.
#[cfg(test)]
pub(crate) fn seed(bug: Option<Bug>) {
    SEEDED.set(bug);
}
