"""Tools for the people who work on the project. The server imports none of them."""
