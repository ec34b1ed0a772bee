"""Answers without the seconds that importing TensorFlow takes.

`tfkit.kept.graph` keeps what a classifier computes as a graph in the user's cache, a megabyte or
two: not its weights. `tfkit.kept.classifier` runs such a graph in TensorFlow's C library, with
the weights from the checkpoint. Graph and library are those of the Keras model, so that the
answers are, too.
"""
