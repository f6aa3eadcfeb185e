"""Delivery files: what viewers get, made of finished shots, off the night's critical path.

The master is written fast and large. From its shots, encoded side by side once more and joined by
copying, come smaller files for a platform, an archive or a phone: :mod:`.codecs` chooses how,
:mod:`.finished` says of what, :mod:`.episode` does it, :mod:`.forecast` tells beforehand what it
takes. Nothing is imported here: workers load :mod:`.shot` alone, which takes a quarter of the time.
"""
