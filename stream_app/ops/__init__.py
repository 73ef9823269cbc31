"""The worker's pages for its operators: metrics and health, and who may see them."""
