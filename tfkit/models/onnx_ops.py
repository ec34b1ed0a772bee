"""What TensorFlow's GELU needs to become ONNX, and tf2onnx does not know."""

from __future__ import annotations

import numpy as np


def register() -> None:
    """Teaches tf2onnx, where it is installed, that erfc(x) is 1 - erf(x)."""
    try:
        from tf2onnx import utils
        from tf2onnx.handler import tf_op
    except ImportError:
        return  # Keras says what to install

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            (output,) = node.output
            dtype, shape = ctx.get_dtype(output), ctx.get_shape(output)
            one = np.ones((), utils.map_onnx_to_numpy_type(dtype))
            one = ctx.make_const(utils.make_name("one"), one).output[0]
            erf = ctx.make_node("Erf", node.input, dtypes=[dtype], shapes=[shape]).output[0]
            ctx.remove_node(node.name)
            ctx.make_node("Sub", [one, erf], outputs=[output], dtypes=[dtype], shapes=[shape])
