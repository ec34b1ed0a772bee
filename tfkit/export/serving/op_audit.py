"""Which ops stand in a SavedModel, and whether a server runs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfkit.export.report import ExportError

# What an exported graph may have, and servers from 2.5 on run. Left out on purpose, though servers
# have them: lookup tables (they need initialisation), XLA (refused by the server's default flags),
# files, queues, Python functions, and those of tensorflow-text that servers lack or have not had
# for long: the trimmers (`TFText>RoundRobinTrim`) came with 2.20.
_OPS = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AsString Assert AssignVariableOp BatchFunction
    BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BitwiseAnd BitwiseOr
    BroadcastArgs BroadcastTo Bucketize Case Cast Ceil CheckNumerics ClipByValue ConcatOffset
    ConcatV2 Const Cos Cumprod Cumsum DenseBincount DisableCopyOnRead Div DivNoNan DynamicPartition
    DynamicStitch Einsum Elu EnsureShape Enter Equal Erf Erfc Exit Exp ExpandDims Expm1
    FastBertNormalize FastWordpieceTokenizeWithOffsets Fill Floor FloorDiv FloorMod Gather GatherNd
    GatherV2 Greater GreaterEqual Identity IdentityN If Inv InvertPermutation IsFinite IsInf IsNan
    LeakyRelu LeftShift Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr
    LoopCond LowerBound MatMul MatrixBandPart Max Maximum Mean Merge MergeV2Checkpoints Min Minimum
    MirrorPad Mod Mul MulNoNan Neg NextIteration NoOp NotEqual OneHot OnesLike Pack Pad PadV2
    ParallelDynamicStitch ParseExample ParseExampleV2 PartitionedCall Placeholder
    PlaceholderWithDefault Pow Prod RaggedGather RaggedRange RaggedTensorToTensor Range Rank
    ReadVariableOp RealDiv Reciprocal ReduceJoin RegexFullMatch RegexReplace Relu Relu6 Reshape
    ResourceGather ResourceGatherNd RestoreV2 ReverseSequence ReverseV2 RightShift Roll Round Rsqrt
    SaveV2 ScatterNd SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Selu
    Shape ShapeN ShardedFilename Sigmoid Sign Sin Size Slice Softmax Softplus Softsign Split SplitV
    Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile StaticRegexFullMatch StaticRegexReplace StopGradient StridedSlice StringFormat
    StringJoin StringLength StringLower StringSplitV2 StringStrip StringUpper Sub Substr Sum Switch
    Tanh TensorScatterAdd TensorScatterUpdate Tile TopKV2 Transpose TruncateDiv UnicodeDecode
    UnicodeDecodeWithOffsets UnicodeEncode UnicodeTranscode Unique UniqueV2 UniqueWithCounts Unpack
    UnsortedSegmentJoin UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentSum UpperBound
    VarHandleOp VariableShape Where While Xdivy ZerosLike
"""
ALLOWED = frozenset(_OPS.split())
# Op -> the first server that has it, where the oldest do not. tensorflow-text is linked into the
# server; 2.12 to 2.19 carry its version 2.12.1, the first there with these two.
_FIRST_SERVER = {
    "BatchMatMulV3": "2.6",
    "DisableCopyOnRead": "2.10",
    "FastBertNormalize": "2.12",
    "FastWordpieceTokenizeWithOffsets": "2.12",
}


def compute_dtype(folder: Path) -> str:
    """What a SavedModel's matrix products are computed in, such as "bfloat16"."""
    dtypes = {node.attr["T"].type for node in _nodes(_graph(folder)) if node.op == "MatMul"}
    names = {tf.dtypes.as_dtype(dtype).name for dtype in dtypes}
    return next(iter(names - {"float32"}), "float32")


def audit_saved_model(folder: Path) -> tuple[Counter[str], dict[str, str]]:
    """Op type -> how often it stands in a SavedModel; op type -> the first TF Serving with it.
    Raises ExportError for an op that is not `ALLOWED`, and a function to be compiled by XLA.
    """
    graph = _graph(folder)
    own = {function.signature.name for function in graph.library.function}
    counts = Counter(node.op for node in _nodes(graph) if node.op not in own)
    if foreign := sorted(counts.keys() - ALLOWED):
        raise ExportError(
            "Expected only ops that TF Serving has and that need no initialization. Received "
            f"{', '.join(foreign)}. The list is in tfkit/export/serving/op_audit.py."
        )
    for function in graph.library.function:
        if function.attr["_XlaMustCompile"].b:
            raise ExportError(
                f"Expected no function compiled by XLA: TF Serving's default flags refuse it. "
                f"Received `jit_compile=True` in '{function.signature.name}'."
            )
    return counts, {op: _FIRST_SERVER.get(op, "2.5") for op in sorted(counts)}


def _graph(folder: Path):
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def _nodes(graph) -> Iterator:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def
