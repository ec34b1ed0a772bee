"""Which ops an exported graph may have, and which TF Serving first has each.

`server_ops.json` is read off the C libraries of TensorFlow 2.5 to 2.21 by
`tools/make_server_ops.py`; what it dates to the oldest of these may be older.

Left out on purpose, though servers have them: lookup tables (they need initialisation), XLA
(refused by the server's default flags), files, queues, Python functions, and those of
tensorflow-text that servers lack or have not had for long.
"""

from __future__ import annotations

import json
from importlib import resources

# tensorflow-text is linked into the server. Servers 2.12 to 2.19 carry its version 2.12.1, the
# first there with `FastBertNormalize`; the trimmers (`TFText>RoundRobinTrim`) came with 2.20.
TEXT_OPS = {"FastBertNormalize": "2.12", "FastWordpieceTokenizeWithOffsets": "2.12"}

_BY_PURPOSE = {
    "weights, and the checkpoint they are in": """
        AssignVariableOp Const DisableCopyOnRead Identity IdentityN MergeV2Checkpoints NoOp
        Placeholder PlaceholderWithDefault ReadVariableOp ResourceGather ResourceGatherNd RestoreV2
        SaveV2 ShardedFilename StopGradient VarHandleOp VariableShape""",
    "functions and branches": """
        BatchFunction Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
        StatelessWhile While""",
    "text": """
        AsString ParseExample
        ParseExampleV2 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch
        StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplitV2
        StringStrip StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode
        UnicodeTranscode UnsortedSegmentJoin""",
    "shapes": """
        BatchToSpaceND BroadcastArgs BroadcastTo ConcatOffset ConcatV2 EnsureShape ExpandDims Fill
        LinSpace MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape ReverseSequence
        ReverseV2 Roll Shape ShapeN Size Slice Split SplitV Squeeze StridedSlice Tile Transpose
        Unpack ZerosLike""",
    "gathering, scattering, sorting": """
        Bucketize DenseBincount DynamicPartition DynamicStitch Gather GatherNd GatherV2
        InvertPermutation LowerBound ParallelDynamicStitch RaggedGather RaggedRange
        RaggedTensorToTensor ReverseSequence ScatterNd SegmentMax SegmentMean SegmentMin SegmentProd
        SegmentSum TensorScatterAdd TensorScatterUpdate TopKV2 Unique UniqueV2 UniqueWithCounts
        UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentSum UpperBound Where""",
    "arithmetic": """
        Abs Add AddN AddV2 Cast Ceil ClipByValue Cos Cumprod Cumsum Div DivNoNan Exp Expm1 Floor
        FloorDiv FloorMod Inv IsFinite IsInf IsNan Log Log1p Maximum Minimum Mod Mul MulNoNan Neg
        Pow RealDiv Reciprocal Round Rsqrt Sign Sin Sqrt Square SquaredDifference Sub TruncateDiv
        Xdivy""",
    "logic": """
        All Any BitwiseAnd BitwiseOr Equal Greater GreaterEqual LeftShift Less LessEqual LogicalAnd
        LogicalNot LogicalOr NotEqual RightShift Select SelectV2""",
    "reductions": "ArgMax ArgMin Max Mean Min Prod Sum",
    "layers": """
        BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd Einsum Elu Erf Erfc LeakyRelu LogSoftmax
        MatMul MatrixBandPart Relu Relu6 Selu Sigmoid Softmax Softplus Softsign Tanh""",
    "checks": "Assert CheckNumerics",
}
ALLOWED = frozenset(op for ops in _BY_PURPOSE.values() for op in ops.split()) | TEXT_OPS.keys()

_READ = json.loads(resources.files("tfkit.export.serving").joinpath("server_ops.json").read_text())
# Op -> the first server with it; op -> attribute -> the first that knows it; op -> the first with
# a kernel for bfloat16, where that is later than the op.
FIRST_SERVER = {**_READ["ops"], **TEXT_OPS}
LATER_ATTRIBUTES = _READ["attributes"]
LATER_BFLOAT16 = _READ["bfloat16"]
