"""One file per task: head, targets, loss, metrics and answers. A task knows no family."""
