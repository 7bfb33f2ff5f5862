"""Commands that train hypernetworks."""
