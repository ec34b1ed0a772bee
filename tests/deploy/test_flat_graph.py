"""Functions with everything in one graph: they give what TensorFlow gives without."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfkit.export.serving.flat_graph import flattened

INPUTS = [tf.TensorSpec([None, 2]), tf.TensorSpec([], tf.int32)]


@pytest.fixture(scope="module")
def weight():
    return tf.Variable([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture(scope="module")
def function(weight):
    """A branch that reads a variable, a loop, and functions that call functions."""
    table = tf.constant([5.0, 6.0])
    inner = tf.function(lambda x: x + table, autograph=False)

    def function(x, times):
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: x @ weight, lambda: inner(x))
        _, z = tf.while_loop(
            lambda i, _: i < times,
            lambda i, z: (i + 1, 2.0 * z + tf.reduce_sum(weight)),
            [0, y],
            parallel_iterations=1,
        )
        return {"looped": z, "rest": [inner(x), times, x]}

    return function


@pytest.mark.parametrize("x", [[[1.0, 2.0]], [[-1.0, -2.0], [-3.0, 0.0]], np.zeros((0, 2))])
def test_it_gives_the_same_by_every_branch_and_of_weights_as_they_are(function, weight, x):
    flat, plain = flattened(function, INPUTS), tf.function(function, autograph=False)
    x = tf.constant(x, tf.float32)
    for times in (0, 3):
        for value in (weight, weight + 1.0):
            weight.assign(value)
            got, wanted = (call(x, tf.constant(times)) for call in (flat, plain))
            tf.nest.map_structure(np.testing.assert_array_equal, got, wanted)


def test_nothing_in_it_is_a_function_and_nothing_is_there_twice(function):
    traced = tf.function(function, input_signature=INPUTS, autograph=False).get_concrete_function()
    assert traced.graph.as_graph_def().library.function, "there was something to flatten"
    graph = flattened(function, INPUTS).graph.as_graph_def()
    assert not graph.library.function
    assert not {"If", "StatelessIf", "While", "StatelessWhile", "PartitionedCall"} & {
        node.op for node in graph.node
    }
    assert [node.op for node in graph.node].count("MatMul") == 1
    loops = [node for node in graph.node if node.op == "Enter"]
    assert loops and {node.attr["parallel_iterations"].i for node in loops} == {1}


def test_it_can_be_made_and_called_inside_of_another_function(function):
    @tf.function(input_signature=INPUTS, autograph=False)
    def outer(x, times):
        return flattened(function, INPUTS)(tf.negative(x), times)

    x, times = tf.constant([[1.0, 2.0]]), tf.constant(2)
    wanted = tf.function(function, autograph=False)(-x, times)
    tf.nest.map_structure(np.testing.assert_array_equal, outer(x, times), wanted)


@pytest.mark.parametrize(
    ("dtype", "twice", "ops"),
    [
        ("float32", False, {"_FusedMatMul"}),
        ("float32", True, {"MatMul", "BiasAdd"}),
        ("bfloat16", False, {"MatMul", "BiasAdd"}),
    ],
)
def test_a_bias_is_added_by_the_product_where_all_servers_do_that(dtype, twice, ops):
    values = np.random.default_rng(0).normal(size=(3, 4))
    weight, bias = tf.Variable(tf.cast(values, dtype)), tf.constant([1, -2, 3], dtype)

    def dense(x):
        product = tf.matmul(x, weight, transpose_b=True)
        result = tf.nn.bias_add(product, bias)
        return [result, product] if twice else [result]

    flat = flattened(dense, [tf.TensorSpec([None, 4], dtype)])
    found = {node.op for node in flat.graph.as_graph_def().node}
    assert found & {"_FusedMatMul", "MatMul", "BiasAdd"} == ops
    x = tf.constant([[1, 2, 3, 4], [0, 5, -1, 2]], dtype)
    for got, wanted in zip(flat(x), dense(x)):
        got, wanted = (np.asarray(tf.cast(value, tf.float32)) for value in (got, wanted))
        # A processor with bfloat16 may round once where product and bias are rounded each.
        options = {"rtol": 1e-6} if dtype == "float32" else {"rtol": 2**-7, "atol": 2**-6}
        np.testing.assert_allclose(got, wanted, **options)
