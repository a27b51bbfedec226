"""The reads of every section: plain SQL, so that the first screen needs no mapper."""
