"""What watches a training: checkpoints, the best weights, logs, progress."""
