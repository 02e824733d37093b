"""What of each price the state gets: categories of goods, zones of destinations, and the rates between them."""
