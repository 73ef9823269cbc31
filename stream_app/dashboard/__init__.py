"""A web page about the output topics. Nothing here is imported by a worker."""
