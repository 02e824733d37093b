"""What providers say by themselves: signed, taken in once, whatever the order in which it comes."""
