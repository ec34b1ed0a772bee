"""A traced function without the functions inside, and without what is computed twice.

A server optimises the graph of each signature when it is first run, and in it every function by
itself, every branch and the body of every loop, and then all of it again where they are called.
What is done here, when the graph is exported, need not be done in each server that loads it: the
same passes of TensorFlow's optimiser (Grappler), of those that give ops which any server has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.grappler import tf_optimizer

# Of `RewriterConfig`, in order: calls, branches and loops are put in their callers' place; what
# nothing needs is left out, what is there twice is computed once, what is constant is computed now.
# No kernels that only some servers have.
_PASSES = ("function", "pruning", "common_subgraph_elimination", "constfold", "dependency")


def flattened(
    function: Callable, inputs: Sequence[tf.TensorSpec]
) -> tf.types.experimental.ConcreteFunction:
    """`function` of tensors, traced and flat. It gives tensors, in lists, tuples or dicts, and has
    no effect but these.
    """
    traced = tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()
    graph_def, fetched = _optimized(traced), [x.name for x in traced.outputs]
    used = {source.split(":")[0] for node in graph_def.node for source in node.input}
    used |= {name.split(":")[0] for name in fetched}

    def flat(*tensors):
        graph = tf.compat.v1.get_default_graph()
        tensors = [*tensors, *map(graph.capture, traced.captured_inputs)]
        pairs = ((x.op.name, tensor) for x, tensor in zip(traced.graph.inputs, tensors))
        given = {name: tensor for name, tensor in pairs if name in used}
        outputs = tf.graph_util.import_graph_def(
            graph_def, input_map=given, return_elements=fetched, name=""
        )
        return tf.nest.pack_sequence_as(traced.structured_outputs, outputs)

    # Not `tf.function`, which follows variables through branches that it made itself.
    return tf.compat.v1.wrap_function(flat, inputs)


def _optimized(function: tf.types.experimental.ConcreteFunction) -> tf.compat.v1.GraphDef:
    """The function's graph after `_PASSES`, without its inputs."""
    graph = function.graph
    exported = tf.compat.v1.train.export_meta_graph(graph=graph, graph_def=graph.as_graph_def())
    kept = exported.collection_def["train_op"].node_list.value  # where the optimiser looks for them
    kept.extend(x.name for x in [*graph.inputs, *function.outputs])
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    config.graph_options.rewrite_options.optimizers.extend(_PASSES)
    graph_def = tf_optimizer.OptimizeGraph(config, exported, verbose=False)
    own = {x.op.name for x in graph.inputs}
    flat = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    flat.node.extend(node for node in graph_def.node if node.name not in own)
    for node in flat.node:
        node.attr.pop("_class", None)  # some are to be where an input is, which has another name
    return flat
