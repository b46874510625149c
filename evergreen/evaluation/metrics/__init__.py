"""The metrics as `evaluate.Metric` classes, which need no Hub: each calls what the bootstrap calls on resampled counts.

Accuracy().compute(predictions=[0, 1, 0], references=[0, 1, 1], labels=[0, 1])  ->  {"accuracy": 0.667}

A module each kind of measuring, so that who computes one metric depends on no other kind.
"""
