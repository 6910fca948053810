"""A small double of RunPod's job API, for tests and for those who build apps: `python -m local_platform`.

The worker side is what the SDK's production loop asks, the client side what `runpod.Endpoint` and apps ask. It is as
unkind as the platform: see Manners.
"""
