"""The audit of served ops: what it lets pass, and which server it says is needed."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tfkit import export
from tfkit.export.serving.op_audit import audit_saved_model
from tfkit.export.serving.server_ops import ALLOWED, FIRST_SERVER, LATER_ATTRIBUTES, TEXT_OPS


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


def test_an_attribute_that_came_later_asks_for_a_later_server(tmp_path):
    def bodies(**options):
        return lambda x: tf.raw_ops.MatMul(a=x[:, None], b=x[None], **options)

    plain = audit_saved_model(saved(tmp_path / "1", bodies()))
    assert plain[1]["MatMul"] == "2.5"
    later = audit_saved_model(saved(tmp_path / "2", bodies(grad_a=True)))
    assert later[1]["MatMul"] == "2.16"


def test_a_kernel_for_bfloat16_that_came_later_asks_for_a_later_server(tmp_path):
    def body(x):
        return tf.math.erf(x)

    assert audit_saved_model(saved(tmp_path / "1", body))[1]["Erf"] == "2.5"
    assert audit_saved_model(saved(tmp_path / "2", body, tf.bfloat16))[1]["Erf"] == "2.8"


def test_the_table_covers_what_may_be_there_and_nothing_is_misspelt():
    assert FIRST_SERVER.keys() >= ALLOWED
    for name in ALLOWED - TEXT_OPS.keys():
        definition = op_def_registry.get(name)
        assert definition is not None, name
        assert LATER_ATTRIBUTES.get(name, {}).keys() <= {x.name for x in definition.attr}
