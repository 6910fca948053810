"""A small imitation of RunPod's job API for tests and app developers: `python -m local_platform`.

It has the routes that workers poll and those that clients call, and the platform's inconvenient behavior: see
Manners.
"""
