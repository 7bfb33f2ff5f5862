"""Tables, plots and pages made from the answers of runs."""
