"""Does a deployment keep the contract with its clients? `make conformance BASE_URL=...`.

The contract is what applications may rely on in development and in production alike. It is judged
from outside, over HTTP, with one key, and nothing is changed there.
"""
