"""Runs a generator over untrusted bytes in a child process with limits on memory and time.

A child is a new interpreter or a fork of a `ForkServer`. Neither is a fork of the caller, so this is safe in
gunicorn threads and Celery workers. A child runs only our code: its results are unpickled.
"""

from models_ml.isolation.errors import MIB, IsolationError
from models_ml.isolation.fork_server import ForkServer
from models_ml.isolation.run import run_bounded

__all__ = ["MIB", "ForkServer", "IsolationError", "run_bounded"]
