"""The neural networks of GLMR, as torch modules. They know no files and no training."""
