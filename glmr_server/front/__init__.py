"""The front of the web server: it reads a whole request before a thread is used, and keeps whole responses.

One event loop holds all connections, so slow clients cost memory and never a thread. Django stays synchronous
and runs in a few threads. This package knows nothing about `annotation`.
"""
