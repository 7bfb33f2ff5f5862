"""Export of adapters to the formats of other programs, and import from PEFT."""
