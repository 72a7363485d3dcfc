"""`python -m models_ml.training COMMAND`."""

from models_ml.training.command_line import main

if __name__ == "__main__":
    main()
