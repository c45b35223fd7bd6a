"""Training of WristQC's models: simulator, data sets, training, evaluation, export."""
