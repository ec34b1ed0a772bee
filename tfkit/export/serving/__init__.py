"""SavedModels for TF Serving: signatures, warm-up, checks, a client."""
