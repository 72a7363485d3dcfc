"""The commands of `python -m models_ml.evaluate`: arguments, error messages and output files."""
