"""TensorFlow functions to a TFLite model, and what may become of the weights on the way."""

from __future__ import annotations

import tempfile

import tensorflow as tf

from tfkit.export.mobile.packing import packed
from tfkit.models.copies import weights_only

# Quantisation -> how far a score may be from the Keras model's. Eight-bit weights are reported,
# not judged: what they cost depends on the model, and the report says it.
QUANTIZATIONS = {
    None: 1e-4,
    "float16": 2e-2,
    "dynamic_int8": None,
    "dynamic_int8_per_tensor": None,
}


def convert(functions: dict, model, quantization: str | None) -> bytes:
    """A TFLite model of one signature, or of several that share the weights.

    Args:
        functions: signature -> concrete function.
        model: whose weights they use.
        quantization: one of `QUANTIZATIONS`.
    """
    weights = weights_only(model)
    with tempfile.TemporaryDirectory() as folder:
        if len(functions) == 1:
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                list(functions.values()), weights
            )
        else:
            tf.saved_model.save(weights, folder, signatures=functions)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=list(functions)
            )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        # Lets through whatever has no builtin operator; the audit then says what that may be.
        converter.allow_custom_ops = True
        if quantization is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "dynamic_int8_per_tensor":
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return packed(converter.convert(), halves=(quantization or "").startswith("dynamic"))
