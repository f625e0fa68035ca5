"""Google's APIs over plain REST, for the few calls that a function makes before it has time to import a client.

`tokens.py` gets access tokens, `rest.py` calls. Whatever is not on the way of a first response uses the official
clients, in the adapter that it belongs to.
"""
