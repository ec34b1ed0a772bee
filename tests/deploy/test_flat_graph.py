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
