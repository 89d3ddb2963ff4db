"""Experiments of the papers: importance of predictors, length of sequences, reduced samples."""

from xsm._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "importance": "xsm.experiments.permutation:importance",
        "reduced_samples": "xsm.experiments.learning_curves:reduced_samples",
        "sequence_length": "xsm.experiments.learning_curves:sequence_length",
    },
)
