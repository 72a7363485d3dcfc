"""The neural networks of GLMR as torch modules. They read no files and do no training.

Module attributes are keys of checkpoint files: renaming one breaks every stored checkpoint.
Symbols and tensor axes: docs/glossary.md.
"""
