"""Where bytes of logs come from: files, rotated sets, stdin, followed files and followed commands.

Sources yield raw bytes and a `Position`; they know nothing of formats, templates or detectors.
"""
