"""Tables, plots and pages made from runs."""
