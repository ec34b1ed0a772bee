"""From texts to answers: a pipeline, batches without padding, and what computes them.

A runtime takes texts as tokens laid end to end, without padding, and gives their logits: a
TensorFlow graph of the Keras model, LiteRT, or TensorFlow's C library, which needs none of the
seconds that importing TensorFlow takes.
"""
