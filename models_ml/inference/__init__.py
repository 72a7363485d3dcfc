"""Annotation with a trained model: checkpoints, the stages of `annotate`, likelihoods."""
