"""The commands of the command line, a module each: `HELP`, one line; `add_arguments(parser)`; and
`run(options)`, which imports TensorFlow when it is called, not before.
"""
