"""From a BERT and labelled texts to a measured bundle."""
