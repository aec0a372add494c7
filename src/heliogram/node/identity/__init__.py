"""Who is who: accounts and their words, devices and their certificates, contact links, safety codes, names.

Nothing here does I/O but reading the list of words, which is a part of the code. Randomness comes from the
caller as `entropy`, time as `now`. `docs/identity.md` is the law.
"""
