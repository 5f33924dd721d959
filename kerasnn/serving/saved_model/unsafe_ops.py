"""TensorFlow's unsafe operations, by what they do.

They were found among all operations that TensorFlow 2.21 registers, by their names and the
names of their arguments (file, path, directory, address, url, prefix). `op_policy` applies
them to a graph.
"""

UNSAFE_OPS: dict[str, frozenset[str]] = {
    # By a number in the process that made the graph; here it is another function's.
    "runs Python": frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"}),
    "ends the process": frozenset({"Abort"}),
    "reads files": frozenset(
        {
            # One file.
            "ImmutableConst",
            "MatchingFiles",
            "ReadFile",
            "Skipgram",
            # Checkpoints and vocabularies of other models.
            "DTensorRestoreV2",
            "GenerateVocabRemapping",
            "LoadAndRemapMatrix",
            # Readers of TensorFlow 1.
            "FixedLengthRecordReader",
            "FixedLengthRecordReaderV2",
            "LMDBReader",
            "RecordInput",
            "TFRecordReader",
            "TFRecordReaderV2",
            "TextLineReader",
            "TextLineReaderV2",
            "WholeFileReader",
            "WholeFileReaderV2",
            # Sources of tf.data.
            "CSVDataset",
            "CSVDatasetV2",
            "ExperimentalCSVDataset",
            "ExperimentalLMDBDataset",
            "ExperimentalMatchingFilesDataset",
            "ExperimentalSqlDataset",
            "FixedLengthRecordDataset",
            "FixedLengthRecordDatasetV2",
            "LMDBDataset",
            "ListSnapshotChunksDataset",
            "LoadDataset",
            "MatchingFilesDataset",
            "SnapshotChunkDataset",
            "SnapshotDatasetReader",
            "SnapshotNestedDatasetReader",
            "SqlDataset",
            "TFRecordDataset",
            "TFRecordDatasetV2",
            "TextLineDataset",
        }
    ),
    "writes files": frozenset(
        {
            "WriteFile",
            # What tf.data keeps.
            "CacheDataset",
            "CacheDatasetV2",
            "DatasetToTFRecord",
            "DistributedSave",
            "ExperimentalDatasetToTFRecord",
            "SaveDataset",
            "SaveDatasetV2",
            "SnapshotDataset",
            "SnapshotDatasetV2",
            # Events for TensorBoard.
            "CreateSummaryDbWriter",
            "CreateSummaryFileWriter",
            # What debugging and calibration keep; the first also send it to a URL.
            "DebugIdentity",
            "DebugIdentityV2",
            "DebugIdentityV3",
            "DebugNanCount",
            "DebugNumericSummary",
            "DebugNumericSummaryV2",
            "CalibrationStatisticsSaver",
            "DumpTensor",
            # Keys and addresses of remote file systems.
            "FileSystemSetConfiguration",
        }
    ),
    "reaches other machines": frozenset(
        {
            "DataServiceDataset",
            "DataServiceDatasetV2",
            "DataServiceDatasetV3",
            "DataServiceDatasetV4",
            "RegisterDataset",
            "RegisterDatasetV2",
            "RemoteCall",
            "RpcCall",
            "RpcClient",
            "RpcServer",
            "RpcServerRegister",
            "RpcServerStart",
        }
    ),
}

# Every SavedModel's saver has these: only loading may run them.
SAVE_OPS = frozenset({"MergeV2Checkpoints", "Save", "SaveSlices", "SaveV2"})
RESTORE_OPS = frozenset({"Restore", "RestoreSlice", "RestoreV2"})
# A lookup table that is read from a file may be one of the SavedModel's assets.
TABLE_OPS = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
