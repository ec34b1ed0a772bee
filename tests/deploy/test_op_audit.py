"""The audit of served ops: what it lets pass, and which server it says is needed."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.core.framework.types_pb2 import DT_BFLOAT16
from tensorflow.python.framework import op_def_registry

from tfkit import export
from tfkit.export.serving.op_audit import ALLOWED, _graph, _nodes, audit_saved_model


def saved(folder, body, dtype=tf.float32, module=None):
    module = module or tf.Module()
    module.function = tf.function(lambda x: {"y": body(x)}, [tf.TensorSpec([None], dtype)])
    signatures = {"serving_default": module.function.get_concrete_function()}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


@pytest.mark.parametrize(
    "body, complaint",
    [
        (lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x), "Betainc"),
        (lambda x: tf.numpy_function(lambda y: y, [x], tf.float32), "PyFunc"),
        (tf.function(lambda x: x + 1, jit_compile=True), "jit_compile=True"),
    ],
)
def test_it_refuses_what_servers_may_not_have(tmp_path, body, complaint):
    with pytest.raises(export.ExportError, match=complaint):
        audit_saved_model(saved(tmp_path, body))


def test_it_refuses_lookup_tables(tmp_path):
    module = tf.Module()
    pairs = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    module.table = tf.lookup.StaticHashTable(pairs, default_value=0)
    folder = saved(tmp_path, lambda x: module.table.lookup(x), tf.string, module)
    with pytest.raises(export.ExportError, match="HashTableV2"):
        audit_saved_model(folder)


def test_every_op_of_an_export_comes_with_the_server_that_first_has_it(everything):
    serving = everything.serving
    assert serving.first_server.keys() == serving.ops.keys() == everything.ops.keys()
    assert serving.first_server["FastBertNormalize"] == "2.12"
    assert serving.first_server["DisableCopyOnRead"] == "2.10"
    assert serving.oldest_server == "2.12"
    assert "2.12 or later, for FastBertNormalize" in str(everything)


# Attribute -> op types; servers of 2.12 do not know it of them (as TensorFlow's C libraries say).
LATER = {
    "debug_name": {"VarHandleOp"},
    "shape_type": {"ConcatOffset"},
    "index_type": {"TopKV2"},
    "Tk": {"TopKV2"},
    "bad_indices_policy": {"GatherNd", "ScatterNd", "TensorScatterAdd", "TensorScatterUpdate"},
    "grad_a": {"MatMul"},
    "grad_b": {"MatMul"},
    "grad_x": {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"},
    "grad_y": {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"},
    "batch_padding_policy": {"BatchFunction"},
    "mixed_priority_policy": {"BatchFunction"},
    "low_priority_allowed_batch_sizes": {"BatchFunction"},
    "low_priority_batch_timeout_micros": {"BatchFunction"},
    "low_priority_max_batch_size": {"BatchFunction"},
    "low_priority_max_enqueued_batches": {"BatchFunction"},
}


@pytest.mark.parametrize("dtype", [None, pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_an_export_has_nothing_that_a_server_of_its_least_version_lacks(
    everything, model, tokenizer, tmp_path, dtype
):
    """TensorFlow leaves out attributes that have their default, as all these do here."""
    folder = everything.path
    if dtype:
        options = {"signatures": ["text"], "texts": ["good"], "warmup": (), "server_files": False}
        folder = export.saved_model(model, tokenizer, tmp_path, dtype=dtype, **options).path
    for node in _nodes(_graph(folder)):
        assert not [name for name in node.attr if node.op in LATER.get(name, ())], node
        types = {value.type for value in node.attr.values()}
        assert node.op != "Range" or DT_BFLOAT16 not in types, "2.18 has the first such kernel"


def test_no_op_is_misspelt():
    text_ops = {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}
    for name in ALLOWED - text_ops:
        assert op_def_registry.get(name) is not None, name
