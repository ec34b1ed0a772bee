"""Ops that TF Serving has had since 2.12, among which an exported graph has to stay.

Servers before 2.12 lack `FastBertNormalize`. Each op here is in the registry of TensorFlow 2.12.1
with tensorflow-text 2.12.1, which servers 2.12 to 2.19 carry (read with `TF_GetAllOpList`).
Left out on purpose, though registered: lookup tables (they need initialisation), XLA (refused by
the server's default flags), files, queues, Python functions, and tensorflow-text's trimmers
(servers before 2.20 lack them).
"""

from __future__ import annotations

OLDEST_SERVER = "2.12"

_BY_PURPOSE = {
    "weights, and the checkpoint they are in": """
        AssignVariableOp Const DisableCopyOnRead Identity IdentityN MergeV2Checkpoints NoOp
        Placeholder PlaceholderWithDefault ReadVariableOp ResourceGather ResourceGatherNd RestoreV2
        SaveV2 ShardedFilename StopGradient VarHandleOp VariableShape""",
    "functions and branches": """
        BatchFunction Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
        StatelessWhile While""",
    "text": """
        AsString CaseFoldUTF8 FastBertNormalize FastWordpieceTokenizeWithOffsets ParseExample
        ParseExampleV2 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch
        StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplitV2
        StringStrip StringUpper Substr UnicodeDecodeWithOffsets UnicodeEncode UnicodeTranscode
        UnsortedSegmentJoin""",
    "shapes": """
        BatchToSpaceND BroadcastArgs BroadcastTo ConcatOffset ConcatV2 EnsureShape ExpandDims Fill
        LinSpace MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape ReverseSequence
        ReverseV2 Roll Shape ShapeN Size Slice Split SplitV Squeeze StridedSlice Tile Transpose
        Unpack ZerosLike""",
    "gathering, scattering, sorting": """
        Bucketize DynamicPartition DynamicStitch Gather GatherNd GatherV2 InvertPermutation
        LowerBound ParallelDynamicStitch RaggedGather RaggedRange RaggedTensorToTensor
        ReverseSequence ScatterNd SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum
        TensorScatterAdd TensorScatterUpdate TopKV2 Unique UniqueV2 UniqueWithCounts
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
SERVER_OPS = frozenset(op for ops in _BY_PURPOSE.values() for op in ops.split())
