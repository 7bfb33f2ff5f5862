"""Commands that make, show, change, import and upload adapters."""
